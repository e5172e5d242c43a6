"""Where learning ends: floors, critical and best learning rates, relaxation (docs/theory/floors.md)."""
