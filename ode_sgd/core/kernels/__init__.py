"""Compiled code that every model may use: vectors of numbers, and random numbers in them."""
