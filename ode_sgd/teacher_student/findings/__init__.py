"""What a run shows, measured, beside what theory says of it."""
