"""What is measured on runs: plateaus, power laws, floors, agreement of theory and simulation; figures and tables."""
