"""The SGD itself, simulated."""
