"""`python -m ode_sgd` is `ode-sgd`."""

import sys

from ode_sgd.cli.main import main

sys.exit(main())
