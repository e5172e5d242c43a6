"""Kernels as machine code: compiled once, kept on disk, called by address."""
