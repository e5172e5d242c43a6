"""The ODE of the order parameters, integrated."""
