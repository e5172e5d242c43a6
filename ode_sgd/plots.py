"""`from ode_sgd.plots import plot_error`: the figures under their public name."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("ode_sgd.analysis.plots")
