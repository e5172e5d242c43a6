"""What a run of any model returns: its error along the time, and everything else that it observed.

A model gives a `Run`, or a class of its own below it. Analysis, figures and files ask nothing but what is said here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check, frozen, notebook
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem, OdeSgdError
from ode_sgd.core.exact import Exact
from ode_sgd.core.given import shown
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.observable import Identified, Observable, Parameters, numbers

if TYPE_CHECKING:
    import xarray

__all__ = ["Identified", "Observable", "Parameters", "Run", "Wording", "check_run", "component", "restored"]


@own_keywords
class Wording(NamedTuple):
    """How messages, tables and figures speak of a model's runs: the attribute `wording` of a class below `Run`.

    Attributes
    ----------
    noun, nouns : str
        One run, and several.
    problem : str
        What runs must have in common to be compared.
    theory, simulation : str
        What the two are called.
    time_label, error_label : str
        What stands on axes, with the units. Empty: the names that files have.
    time_symbol, error_symbol : str
        Time and error in messages and tables, in a few letters. Empty: the names that files have.
    symbols : mapping
        Name of an observable, of time or of the error -> symbol in figures.
    state, start : str
        What two runs must have in common at first, and what is given for it.
    calls : (str, str)
        How theory and simulation are computed, in remedies.
    anew : str
        The remedy where the theory was not computed at the simulation's times.
    differ, otherwise, briefly, remedy : str
        Of replicas that end in another outcome than theory, in sentences such as "3 of 8 replicas ended otherwise than
        the theory": what happens; how these ended; the same once it has been said what differs; what to do.

    Examples
    --------
    >>> class Decay(ode_sgd.Run):
    ...     wording = ode_sgd.Wording(theory="exact", simulation="sampled", time_label="time  $t$  (s)")
    >>> Decay.wording.simulation, Decay.wording.noun
    ('sampled', 'run')
    """

    noun: str = "run"
    nouns: str = "runs"
    problem: str = "problem"
    theory: str = "theory"
    simulation: str = "simulation"
    time_label: str = ""
    error_label: str = ""
    time_symbol: str = ""
    error_symbol: str = ""
    symbols: Mapping[str, str] = {}
    state: str = "state"
    start: str = "start"
    calls: tuple[str, str] = ("theory", "simulation")
    anew: str = "compute the theory at the simulation's times"
    differ: str = "replicas end in different outcomes"
    otherwise: str = "ended otherwise than"
    briefly: str = "ended otherwise than"
    remedy: str = "draw a start from which all end alike"


@own_keywords
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Run:
    """A run of a model: theory without, a simulation with a leading replica axis in its arrays.

    Parameters
    ----------
    problem : object
        With a text attribute `identity`, such as `Parameters`. What its attribute `canonical` holds, a dictionary, is
        kept in files.
    alpha : array_like, shape (n,)
        Times, increasing.
    error : array_like, shape (n,) or (replica, n)
        What falls while the model learns.
    observables : dict
        Name -> Observable.
    final : object
        State at the last time, from which a run can go on; None for a mean, standard error or variance. Files keep
        a dictionary of observables.
    method : str
        How it was computed.
    status : str
        "complete", or why it ended early, at alpha[-1].
    message : str
        Cause and remedy, where the status is not "complete".
    resolution : float
        Absolute rounding level of the error, below which its values mean nothing.
    stats : dict
        steps, seconds and the like, as far as the method has them.
    dimension, seed : int or None
        N and the seed of a simulation.
    time_name, error_name : str
        What the model calls alpha and error, also in files.
    model : str
        The name under which the model is registered; "" for none.

    Raises
    ------
    InvalidProblem
        If arrays do not fit each other, hold no numbers or have masked entries, or the problem has no identity.

    Notes
    -----
    Arrays are kept read-only, as copies unless they are read-only already.

    A class below it may override everything from `compared` on: what analysis asks of a run of its model.

    Examples
    --------
    >>> times = np.linspace(0.0, 4.0, 5)
    >>> problem = ode_sgd.Parameters({"rate": 1.0})
    >>> ode_sgd.Run(problem=problem, alpha=times, error=np.exp(-times), method="exact").replicas is None
    True
    """

    problem: Identified
    alpha: Array
    error: Array
    observables: Mapping[str, Observable] = field(default_factory=dict)
    final: Any = None
    method: str
    status: str = "complete"
    message: str = ""
    resolution: float = 0.0
    stats: Mapping[str, float] = field(default_factory=dict)
    dimension: int | None = None
    seed: int | None = None
    time_name: str = "alpha"
    error_name: str = "error"
    model: str = ""

    __setstate__ = frozen.restore_frozen

    wording: ClassVar[Wording] = Wording()

    def __post_init__(self) -> None:
        if not isinstance(getattr(self.problem, "identity", None), str):
            raise InvalidProblem(
                f"problem = {shown(self.problem)} has no text attribute `identity`; give ode_sgd.Parameters, "
                "or an object with one"
            )
        for name in ("alpha", "error"):
            object.__setattr__(self, name, frozen.own(numbers(name, getattr(self, name))))
        object.__setattr__(self, "observables", dict(self.observables))
        for name, observable in self.observables.items():
            check.instance(f"observables[{name!r}]", observable, Observable)
        self._check_shapes()

    def _check_shapes(self) -> None:
        alpha, error = self.alpha, self.error
        if alpha.ndim != 1 or not alpha.size or not (np.diff(alpha) > 0.0).all():
            raise InvalidProblem(f"alpha has shape {alpha.shape}; give increasing times of shape (n,)")
        if error.shape[-1:] != alpha.shape or error.ndim > 2:
            raise InvalidProblem(
                f"error has shape {error.shape}; {alpha.size} times need ({alpha.size},), or (replica, {alpha.size})"
            )
        sizes = {self.time_name: alpha.size}
        for name, observable in self.observables.items():
            shape, axes = observable.values.shape, ("replica",) * observable.has_replicas + observable.dimensions
            if self.time_name in observable.dimensions[1:]:
                raise InvalidProblem(f"observables[{name!r}] has {self.time_name!r} not as its first dimension")
            for axis, size in zip(axes, shape, strict=True):
                wanted = sizes.setdefault(axis, size) if axis != "replica" else self.replicas
                if size != wanted:
                    raise InvalidProblem(
                        f"observables[{name!r}] has shape {shape}, but dimension {axis!r} has length {wanted} here"
                    )

    def __repr__(self) -> str:
        runs = "" if self.replicas is None else f"{self.replicas} replicas, "
        return (
            f"{type(self).__name__}({self.method}, {self.headline()}: {runs}{self.alpha.size} times to "
            f"{self.time_name} = {self.alpha[-1]:g}, {self.status})"
        )

    def _repr_html_(self) -> str:
        return notebook.html(self)

    @property
    def replicas(self) -> int | None:
        """Number of replicas, None without that axis."""
        return self.error.shape[0] if self.error.ndim == 2 else None

    @property
    def is_simulation(self) -> bool:
        """Whether the run is of finite N, and so fluctuates; also the mean of one is."""
        return self.dimension is not None or self.replicas is not None

    def mean(self) -> Self:
        """The mean over replicas."""
        return self._over_replicas(lambda values: values.mean(axis=0))

    def standard_error(self) -> Self:
        """Standard error of `mean` in every array: standard deviation (divisor replicas - 1) / sqrt(replicas)."""
        self._check_replicas("a standard error")
        return self._over_replicas(lambda values: values.std(axis=0, ddof=1) / np.sqrt(len(values)))

    def variance(self) -> Self:
        """The variance over replicas of every entry of every array, unbiased (divisor replicas - 1).

        From a common start it falls as 1/N: `dimension` times it tends to a limit at every alpha.

        Raises
        ------
        InvalidProblem
            With fewer than two replicas.
        """
        self._check_replicas("a variance")
        return self._over_replicas(lambda values: values.var(axis=0, ddof=1))

    def _check_replicas(self, wanted: str) -> None:
        if (self.replicas or 0) < 2:
            raise InvalidProblem(f"{wanted} needs at least 2 replicas; this {self.wording.noun} has {self.replicas}")

    @check.underflow_is_zero
    def _over_replicas(self, reduce: Callable[[Array], Any]) -> Self:
        count = self.replicas
        if count is None:
            raise InvalidProblem(f"this {self.wording.noun} has no replica axis; only simulations have one")

        def reduced(values: Array) -> Array:
            return frozen.sealed(np.asarray(reduce(values)))

        def over_replicas(observable: Observable) -> Observable:
            values = observable.values
            every = values if observable.has_replicas else np.broadcast_to(values, (count, *values.shape))
            return replace(observable, values=reduced(every))

        return self.with_values(
            reduced(self.error), {name: over_replicas(observable) for name, observable in self.observables.items()}
        )

    def with_values(self, error: Array, observables: Mapping[str, Observable]) -> Self:
        """The same run with other values, and without a state to go on from."""
        return replace(self, error=error, observables=observables, final=None)

    def to_xarray(self) -> "xarray.Dataset":
        """The arrays as an xarray.Dataset with named dimensions (needs the extra `xarray`)."""
        try:
            import xarray
        except ImportError:
            raise ImportError("to_xarray needs xarray: pip install 'ode-sgd[xarray]'") from None
        variables: dict[str, Any] = {}
        lead = ("replica",) if self.replicas is not None else ()
        variables[self.error_name] = ((*lead, self.time_name), self.error)
        for name, observable in self.observables.items():
            axes = ("replica",) * observable.has_replicas + observable.dimensions
            told = {"long_name": observable.long_name, "units": observable.units}
            variables[name] = (axes, observable.values, told)
        attributes = {
            "method": self.method,
            "status": self.status,
            "resolution": self.resolution,
            "problem": self.problem.identity,
        }
        return xarray.Dataset(variables, coords={self.time_name: self.alpha}, attrs=attributes)

    # What analysis asks of a run; a class below may know better.

    def headline(self) -> str:
        """What the run is of, in a line."""
        return f"{self.model or type(self.problem).__name__} {self.problem.identity[:12]}"

    def details(self) -> str:
        """The line that tables begin with."""
        return self.headline()

    def words(self) -> Wording:
        """How to speak of it."""
        words = self.wording
        return words._replace(
            time_label=words.time_label or self.time_name,
            time_symbol=words.time_symbol or self.time_name,
            error_label=words.error_label or self.error_name,
            error_symbol=words.error_symbol or self.error_name,
        )

    def compared(self) -> dict[str, Array]:
        """The scalars that are compared of two runs: name -> (.., n), the error first.

        Of an observable along the time every component, counted from 1: "x", "v_2", "Q_12".
        """
        found = {self.error_name: self.error}
        for name, observable in self.observables.items():
            if observable.dimensions[:1] == (self.time_name,):
                inner = observable.values.shape[observable.values.ndim - len(observable.dimensions) + 1 :]
                found |= {component(name, index): observable.values[(..., *index)] for index in np.ndindex(*inner)}
        return found

    def start_values(self) -> dict[str, Array]:
        """The state at the first time: name -> (..) or (replica, ..); runs can be compared where it is the same."""
        values = {self.error_name: self.error[..., 0]}
        for name, observable in self.observables.items():
            along = observable.dimensions[:1] == (self.time_name,)
            first: Any = (slice(None), 0) if observable.has_replicas else 0
            values[name] = observable.values[first] if along else observable.values
        return values

    @property
    def own_starts(self) -> bool:
        """Whether every replica has a start of its own."""
        axes = {name: observable.has_replicas for name, observable in self.observables.items()}
        several = [values for name, values in self.start_values().items() if axes.get(name, self.replicas is not None)]
        return any(bool((values != values[0]).any()) for values in several)

    def outcome_at(self, row: int) -> NDArray[np.int64]:
        """Numbers that tell outcomes apart at one time, (.., m), -1 where nothing is decided; m = 0: all end alike."""
        lead = () if self.replicas is None else (self.replicas,)
        return np.zeros((*lead, 0), dtype=np.int64)

    def effective_dimension(self) -> float:
        """What the bias of a simulation's mean falls as one over: the directions that its inputs fill."""
        return float(self.dimension or np.inf)

    def relative_bias(self) -> Array | None:
        """What the bias of a simulation's mean may be at each time, (n,), as a part of each quantity at that time.

        None where it is one over `effective_dimension` of the largest value that a quantity has at any time.
        """
        return None

    def exact_at(self, simulation: "Run") -> Exact | None:
        """What theory says of the mean at the simulation's own N and times, None where only the limit is known."""
        return None

    @property
    def inputs_fix_dimension(self) -> bool:
        """Whether the inputs of a simulation are given data, so that no other N can be had."""
        return False

    def caution(self) -> str:
        """Why a simulation of this size need not be near its limit, in words; empty where nothing is known of that."""
        return ""

    @property
    def can_have_plateaus(self) -> bool:
        """Whether the error of the model can rest on a level and fall on."""
        return True

    def has_left_plateau(self) -> bool:
        """Whether the run is known not to end on a plateau."""
        return False


def restored(attributes: Mapping[str, Any], variables: Mapping[str, Observable], kind: type[Run] = Run) -> Run:
    """A run from what a file holds of it.

    Parameters
    ----------
    attributes : dict
        The fields of a run that are no arrays, by their names; `problem` is a Parameters.
    variables : dict
        Time, error and observables by their names, and the last state with "final_" before them.
    kind : type
        The class to make, with the fields of Run.
    """
    others = dict(variables)
    alpha, error = (others.pop(attributes[name]).values for name in ("time_name", "error_name"))
    final = {name.removeprefix("final_"): others.pop(name) for name in list(others) if name.startswith("final_")}
    return kind(**attributes, alpha=alpha, error=error, observables=others, final=final or None)


def check_run(name: str, value: Any, error: type[OdeSgdError] = InvalidProblem) -> None:
    """Raise unless the value is a run."""
    if not isinstance(value, Run):
        raise error(f"{name} is a {type(value).__name__}; give an ode_sgd.Trajectory or another ode_sgd.Run")


def component(name: str, index: tuple[int, ...]) -> str:
    """The name of one component, counted from 1: "Q_12"; with a comma where a number has two digits."""
    numbers = [str(n + 1) for n in index]
    return "_".join([name, ("," if any(len(n) > 1 for n in numbers) else "").join(numbers)]) if index else name
