"""What is studied: problem, order parameters, starts."""
