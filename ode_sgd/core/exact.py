"""What theory knows of a simulation at its own size, beside the limit that it is a simulation of."""

from typing import NamedTuple

from ode_sgd.core.arrays import Array


class Exact(NamedTuple):
    """The exact mean of a simulation over its replicas, at its times, and the variance of its error.

    Attributes
    ----------
    means : dict
        Name -> (n,), by the names of `Run.compared`.
    error_variance : (n,) or None
        Of one replica's error; None where it would take too long.
    """

    means: dict[str, Array]
    error_variance: Array | None
