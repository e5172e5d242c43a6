"""Gaussian averages behind the fluctuations of one step."""
