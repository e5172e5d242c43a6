"""What every model shares: spectra, runs, errors, checks, the compiler's cache, vector types, signals."""
