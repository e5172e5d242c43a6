"""How a budget of neurons is shared among subtasks: the policies, by name.

Source: docs/theory/scaling_laws.md section 13.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown
from ode_sgd.scaling_laws.beta_average import mean_inverse
from ode_sgd.scaling_laws.kernels.allocation import add_greedily
from ode_sgd.scaling_laws.subtasks import Subtasks, total_loss

BISECTIONS = 60
LAST_FEW = 16  # neurons that are given one by one anyway
MARGIN = 1e-13  # in x, above rounding: neurons that gain the same are left for the choice one by one
SUM_OF_SHARES = 1e-9  # what shares that were written down with a few digits less than all may be off by


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Allocation:
    """Neurons of each subtask.

    Attributes
    ----------
    policy : str
        "optimal", "greedy", "equal", "polya", "penalty", or "shares" for given ones.
    neurons : ndarray, shape (S,) or (n, S)
        Real numbers, whole ones of the greedy policy. Of "polya" the mean, or what was drawn.
    shares : ndarray, shape (S,) or (n, S)
        The parts of all neurons that these are.
    loss : float or ndarray, shape (n,)
        sum_i p_i l_i; of "polya" its mean over the shares, unless they were drawn.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> sl.ResourceModel([1.0, 0.5, 0.25], [1.0, 2.0, 0.5]).allocate(10, policy="greedy").neurons.tolist()
    [4.0, 4.0, 2.0]
    """

    policy: str
    neurons: Array
    shares: Array
    loss: Any

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)


class Policy(Protocol):
    """Which neurons every subtask gets of so many, (n,) -> (n, S), and the loss of that, (n,)."""

    name: ClassVar[str]

    def neurons(self, subtasks: Subtasks, total: Array) -> Array: ...

    def loss(self, subtasks: Subtasks, total: Array, neurons: Array) -> Array: ...


class Determined:
    """A policy without chance: its loss is that of the neurons that it gives."""

    def loss(self, subtasks: Subtasks, total: Array, neurons: Array) -> Array:
        """sum_i p_i l_i(N_i)."""
        return total_loss(subtasks, neurons)


@dataclass(frozen=True, slots=True)
class Optimal(Determined):
    """The least loss that any allocation of a real number of neurons to each subtask has."""

    name: ClassVar[str] = "optimal"

    def neurons(self, subtasks: Subtasks, total: Array) -> Array:
        """N_i = max(0, sqrt(p_i a_i) x - n0_i), with x = mu^-1/2 from sum_i N_i = N. Equation: (13.5)."""
        return at_level(subtasks, level(subtasks, total))


@dataclass(frozen=True, slots=True)
class Penalty(Determined):
    """The allocation that minimises loss + price times neurons; their number follows."""

    price: float
    name: ClassVar[str] = "penalty"

    def neurons(self, subtasks: Subtasks, total: Array) -> Array:
        """As of the optimal policy, with mu the price."""
        return np.tile(at_level(subtasks, np.array([self.price**-0.5])), (total.size, 1))


def level(subtasks: Subtasks, total: Array) -> Array:
    """x at which the optimal allocation takes so many neurons, (n,).

    The number is piecewise linear in x: a subtask takes part from x_i = n0_i / sqrt(p_i a_i) on. Of the subtasks in
    the order of x_i, sums of all before each give x in closed form.
    """
    roots, halves = np.sqrt(subtasks.amplitudes), subtasks.half_counts
    begins = halves / roots
    order = np.argsort(begins)
    counts = subtasks.counts[order]
    slopes, taken = np.cumsum(counts * roots[order]), np.cumsum(counts * halves[order])
    last = np.searchsorted(begins[order] * slopes - taken, total, side="right") - 1
    found: Array = (total + taken[last]) / slopes[last]
    return found


def at_level(subtasks: Subtasks, x: Array) -> Array:
    """max(0, sqrt(p_i a_i) x - n0_i), (n, S)."""
    return np.maximum(0.0, np.outer(x, np.sqrt(subtasks.amplitudes)) - subtasks.half_counts)


@dataclass(frozen=True, slots=True)
class Greedy(Determined):
    """Neuron after neuron, each to the subtask whose loss falls most. No allocation of whole neurons has less loss."""

    name: ClassVar[str] = "greedy"

    def neurons(self, subtasks: Subtasks, total: Array) -> Array:
        """Whole numbers of neurons."""
        if (subtasks.counts != 1.0).any():
            raise InvalidProblem(
                "policy = 'greedy' places neuron after neuron, and here entries stand for many subtasks each; give at "
                "most 10000 subtasks, or policy = 'optimal'"
            )
        if (total != np.rint(total)).any():
            raise InvalidProblem(f"neurons = {total[total != np.rint(total)][0]:g}: policy = 'greedy' takes whole ones")
        return np.array([greedy_counts(subtasks, int(n)) for n in total])


def greedy_counts(subtasks: Subtasks, total: int) -> Array:
    """What the greedy policy gives each subtask.

    Neurons go by falling gain g = p a / ((n + n0)(n + 1 + n0)), so all that gain at least g come first: they are
    floor(1/2 - n0 + sqrt(p a / g + 1/4)) of a subtask. With g such that they are nearly as many as there are neurons
    they are given at once, and the last few one by one.
    """
    counts = all_that_gain(subtasks, last_level(subtasks, total))
    add_greedily(subtasks.amplitudes, subtasks.half_counts, counts, total - int(counts.sum()))
    return counts


def all_that_gain(subtasks: Subtasks, x: float) -> Array:
    """How many neurons of each subtask gain at least g = 1 / x^2, (S,)."""
    roots = np.sqrt(subtasks.amplitudes * x**2 + 0.25)
    found: Array = np.maximum(0.0, np.floor(0.5 - subtasks.half_counts + roots))
    return found


def last_level(subtasks: Subtasks, total: int) -> float:
    """x = g^-1/2 for which hardly fewer than so many neurons gain at least g, and never more.

    A floor is off by less than one, so the optimal allocations of N - 2 S and of N + 2 S neurons enclose x.
    """
    size = subtasks.variances.size
    low, high = level(subtasks, np.array([max(total - 2.0 * size, 0.0), total + 2.0 * size]))
    low *= total > 2 * size
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        found = all_that_gain(subtasks, middle).sum()
        low, high = (middle, high) if found <= total else (low, middle)
        if total - LAST_FEW <= found <= total:
            break
    return float(low * (1.0 - MARGIN))


@dataclass(frozen=True, slots=True)
class Equal(Determined):
    """The same for every subtask."""

    name: ClassVar[str] = "equal"

    def neurons(self, subtasks: Subtasks, total: Array) -> Array:
        """N / S each."""
        return np.outer(total, np.full(subtasks.counts.size, 1.0 / subtasks.counts.sum()))


@dataclass(frozen=True, slots=True)
class Shares(Determined):
    """Shares that stay as they are, whatever the number of neurons."""

    shares: Array
    name: ClassVar[str] = "shares"

    def neurons(self, subtasks: Subtasks, total: Array) -> Array:
        """N f_i."""
        return np.outer(total, self.shares)


@dataclass(frozen=True, slots=True)
class Polya:
    """Random shares with a Dirichlet distribution of equal concentrations: the limit of Polya's urn.

    Neurons that join a subtask with a probability proportional to c plus the neurons that it has come to such shares.
    """

    concentration: float
    name: ClassVar[str] = "polya"

    def neurons(self, subtasks: Subtasks, total: Array) -> Array:
        """The mean, N / S each."""
        return Equal().neurons(subtasks, total)

    def loss(self, subtasks: Subtasks, total: Array, neurons: Array) -> Array:
        """The mean loss. Equation: (13.6).

        A share f has a beta distribution, and <1 / (N f + n0)> = F(1, c (S - 1); c S; N / (N + n0)) / (N + n0) with
        Gauss's hypergeometric function. For N -> infinity it is (c S - 1) / ((c - 1) N).
        """
        size = float(subtasks.counts.sum())
        mean = mean_inverse(self.concentration, size, total[:, None], subtasks.half_counts)
        found: Array = mean @ (subtasks.counts * subtasks.amplitudes)
        return found


POLICIES: Mapping[str, tuple[Callable[..., Policy], str]] = {  # name -> what it is, and the argument that it takes
    "optimal": (Optimal, ""),
    "greedy": (Greedy, ""),
    "equal": (Equal, ""),
    "polya": (Polya, "concentration"),
    "penalty": (Penalty, "price"),
}
LIMITS = {"concentration": 1.0, "price": 0.0}  # what these are larger than


def policy_of(given: Any, subtasks: Subtasks, options: Mapping[str, Any]) -> Policy:
    """The policy of a name or of shares, with what it takes besides."""
    name = check.choice("policy", given, list(POLICIES)) if isinstance(given, str) else ""
    wanted = POLICIES[name][1] if name else ""
    for option, value in options.items():
        if value is not None and option != wanted:
            owner = next(policy for policy, (_, own) in POLICIES.items() if own == option)
            raise InvalidProblem(f"{option} = {shown(value)} goes with policy = {owner!r}; leave it out here")
    if not name:
        return Shares(checked_shares(given, subtasks))
    if not wanted:
        return POLICIES[name][0]()
    if options[wanted] is None:
        raise InvalidProblem(f"policy = {given!r} needs {wanted}; give a number > {LIMITS[wanted]:g}")
    return POLICIES[name][0](check.number(wanted, options[wanted], above=LIMITS[wanted]))


def checked_shares(given: Any, subtasks: Subtasks, name: str = "policy") -> Array:
    """Shares of all subtasks, (S,), that sum to one; `name` is what they were given as."""
    held = f"{name} holds " if name != "shares" else ""
    shares = check.array(name, given, "(subtasks,)" + (", or a name such as 'optimal'" if name == "policy" else ""), 1)
    size = subtasks.variances.size
    if shares.size != size:
        raise InvalidProblem(f"{held}{shares.size} shares; give one for each of {size} subtasks")
    if (shares < 0.0).any():
        raise InvalidProblem(f"{held}the share {shares.min():g}; give shares >= 0")
    total = float(subtasks.counts @ shares)
    if abs(total - 1.0) > SUM_OF_SHARES:
        raise InvalidProblem(f"{held}shares that sum to {total:.10g}; give shares that sum to 1")
    return shares
