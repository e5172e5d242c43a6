"""Trajectories: the ODE integrated, the SGD simulated."""
