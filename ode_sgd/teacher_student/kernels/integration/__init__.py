"""Steps of the Rosenbrock method, for one problem and for many."""
