"""What theory knows of a simulation at its own size, beside the limit that it is a simulation of."""

from typing import NamedTuple

from ode_sgd.core.arrays import Array


class Exact(NamedTuple):
    """The mean of a simulation over its replicas, at its times, and the variances of one replica.

    Attributes
    ----------
    means : dict
        Name -> (n,), by the names of `Run.compared`.
    variances : dict
        Name -> (n,), as far as they are known.
    """

    means: dict[str, Array]
    variances: dict[str, Array]
