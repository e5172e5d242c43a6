"""Replicas of the chain of the overlaps for steps of SGD whose rate follows the gradients: AdaGradNorm and Polyak's."""

from collections.abc import Sequence

import numpy as np

from ode_sgd.core.alignment import aligned
from ode_sgd.core.arrays import Array
from ode_sgd.core.seeds import Seeds
from ode_sgd.teacher_student.integration.sector_system import writable
from ode_sgd.teacher_student.kernels.simulation.chain import Chain
from ode_sgd.teacher_student.kernels.simulation.chain_code import GIVEN, SUM
from ode_sgd.teacher_student.kernels.simulation.line_search import LineSearch
from ode_sgd.teacher_student.model.optimizers.scalar_rates import AdaGradNorm, Polyak
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation.chain import ReducedNetworks
from ode_sgd.teacher_student.simulation.line_search import interval


class RateChains(ReducedNetworks):
    """As `ReducedNetworks`, of a problem with `optimizers.AdaGradNorm` or `optimizers.Polyak`.

    The chain knows |xi|^2: in every sector the coordinates of the input in the frame and the length of what lies
    outside are all of it. So B of AdaGradNorm moves with the overlaps, and the law is that of the weights at any N.
    Polyak's rate is a function of the overlaps.

    Notes
    -----
    Source: docs/theory/coordinatewise.md, (25.9) and (25.9a).
    """

    def __init__(self, problem: Problem, starts: Sequence[OrderParameters], sizes: Sizes, seeds: Seeds) -> None:
        self.rates = SUM if isinstance(problem.optimizer, AdaGradNorm) else GIVEN
        super().__init__(problem, starts, sizes, seeds)

    def _new_chain(self, sizes: Sizes) -> Chain:
        problem, optimizer, spectrum = self._problem, self._problem.optimizer, self._problem.spectrum
        begun = optimizer.initial if isinstance(optimizer, AdaGradNorm) else 1.0
        shares = spectrum.eigenvalues * problem.learning / float(sizes.sum()) ** 2
        search = LineSearch(
            interval=interval(int(sizes.sum())),
            first=writable(spectrum.powers(1)),
            second=writable(spectrum.powers(2) * problem.learning),
            a=writable(problem.signed_weights),
            variance=problem.update_rule.noise_unit**2,
            largest=optimizer.largest if isinstance(optimizer, Polyak) else 0.0,
        )
        chain, memory = super()._new_chain(sizes), aligned(np.full(self._width, begun))
        return chain._replace(shares=shares, memory=memory, search=search)

    def remembered(self) -> Array:
        """B of AdaGradNorm, (n, 1)."""
        return self._memory[:, None]

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on bit for bit."""
        return super().state() | {"memory": self._memory, "taken": np.array(self._taken)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state` of replicas with the same problem, starts and sizes."""
        super().restore(state)
        self._chain.memory[: self._replicas] = state["memory"]

    @property
    def _memory(self) -> Array:
        """B or the rate of every replica, (n,)."""
        return self._chain.memory[: self._replicas].copy()
