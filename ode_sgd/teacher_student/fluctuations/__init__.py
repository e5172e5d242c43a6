"""What finite N adds to the ODE of the order parameters: fluctuations and bias."""
