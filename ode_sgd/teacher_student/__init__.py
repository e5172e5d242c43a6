"""The two-layer student that learns from a two-layer teacher (docs/theory/model.md)."""
