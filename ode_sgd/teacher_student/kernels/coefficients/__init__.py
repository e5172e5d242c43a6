"""The coefficients of the ODE from the covariance of the fields, and their derivatives."""
