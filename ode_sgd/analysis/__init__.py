"""What trajectories mean: agreement of theory and simulation, figures, tables."""
