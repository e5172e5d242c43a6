"""Compiled kernels: float64 arrays and scalars in, arrays and an integer status out."""
