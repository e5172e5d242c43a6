"""Sweeps: one study over a grid of values, from this machine to a cluster."""
