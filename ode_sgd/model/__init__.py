"""What is studied: spectrum, problem, order parameters."""
