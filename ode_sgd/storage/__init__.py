"""Runs in HDF5 files, and back."""
