"""Compiled loops of the scaling-law models: arrays and scalars in, a status out."""
