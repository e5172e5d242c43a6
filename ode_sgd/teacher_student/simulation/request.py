"""What is simulated, and with what a run can be kept and gone on with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidStart
from ode_sgd.core.seeds import Children, Seeds, words
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.model.weights import Weights

START, FRAMES = 0, 1  # children of a replica's seed: its start, its frames; the methods' streams follow

Start = OrderParameters | Callable[[int], OrderParameters]
State = dict[str, Any]


@runtime_checkable
class Checkpoint(Protocol):
    """Where a simulation leaves what it needs to go on: `ode_sgd.Checkpoint`, or anything like it."""

    def read(self) -> State | None:
        """What was written last, None if nothing was."""

    def write(self, state: State) -> None:
        """Keep a state, a dictionary of arrays and texts, in place of the one before."""


class Engine(Protocol):
    """A group of replicas in the form of one method."""

    chunk: int  # steps between two looks at the outside world

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""

    def overlaps(self) -> tuple[Array, Array]:
        """q (n, L, K, K) and r (n, L, K, M)."""

    def errors(self) -> Array:
        """eps_g (n,) where the method knows it better than the overlaps do, else NaN."""

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, bit for bit."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""


class SimulationMethod(Protocol):
    """One way to simulate the SGD."""

    @property
    def name(self) -> str:
        """As in `simulate`, and in trajectories."""

    @property
    def stream(self) -> int:
        """Which child of a replica's seed its random numbers come from."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of replicas that it has kernels for."""

    def accepts(self, problem: Problem, sizes: Sizes) -> str:
        """Why it does not take this problem with sectors of these dimensions; empty where it does."""

    def together(self, request: "Request", replicas: int, workers: int) -> int:
        """Replicas in a group."""

    def bytes_per_thread(self, K: int, M: int, N: int) -> float:
        """Memory that grows with N."""

    def engine(self, request: "Request", starts: list[OrderParameters], frames: Seeds, noise: Seeds) -> Engine:
        """A group of replicas at their starts, with the seeds of their frames and of their streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is wanted of a simulation."""

    problem: Problem
    start: Start
    sizes: Sizes  # (L,), N_k
    steps: Any  # (n,), output times in steps
    orders: tuple[int, ...]
    keep_sectors: bool
    method: SimulationMethod
    weights: Weights | None = None  # those of every replica, whose overlaps `start` is

    @property
    def held_out(self) -> bool:
        """Whether the error on rows that are held out is wanted."""
        return getattr(self.method, "held_out", None) is not None

    @property
    def dimension(self) -> int:
        """N."""
        return int(self.sizes.sum())


def drawn_starts(request: Request, seed: int, replicas: range) -> list[OrderParameters]:
    """The common start of all, or the starts that the start function draws from each one's first child seed."""
    if isinstance(request.start, OrderParameters):
        return [request.start] * len(replicas)
    drawn = []
    for (word,) in words(Children(seed, replicas, START), 1):
        begin = request.start(int(word) >> 1)
        if not isinstance(begin, OrderParameters):
            raise InvalidStart(f"the start function returned a {type(begin).__name__}, not OrderParameters")
        begin.check_fits(request.problem)
        drawn.append(begin)
    return drawn
