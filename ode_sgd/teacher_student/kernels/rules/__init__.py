"""Averages of a rule of one's own over fixed nodes, and SGD with it."""
