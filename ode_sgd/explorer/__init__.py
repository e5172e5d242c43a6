"""A study in the browser: its curves while its parameters are moved."""
