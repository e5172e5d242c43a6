"""The methods of simulation as objects: what each is called, what it takes, and how a group of replicas runs."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.seeds import Seeds, generators
from ode_sgd.teacher_student.model import starts as placing
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation.chain import LANES, ReducedNetworks, too_small
from ode_sgd.teacher_student.simulation.explicit import CHUNK_WORK, ExplicitNetworks, step_work
from ode_sgd.teacher_student.simulation.request import Engine, Request, SimulationMethod
from ode_sgd.teacher_student.simulation.sampled import SampledNetworks
from ode_sgd.teacher_student.trajectory import SAMPLED

AUTO = "auto"
MOST = 128  # replicas in a group whose weights are in memory
CACHED = 2**16  # numbers of their weights


def without_steps(problem: Problem) -> str:
    """Why a problem has no SGD, in words; empty where it has."""
    if problem.update_rule.has_steps:
        return ""
    return "gradient_flow = True has no SGD; simulate the problem at a small learning_rate instead"


def unstable_steps(problem: Problem, sizes: Sizes) -> str:
    """Why a step of N inputs, which takes eta kappa / N of the weights, makes them grow; empty where it does not."""
    N, rule = int(sizes.sum()), problem.update_rule
    if rule.weight_update(N).kept >= -1.0:
        return ""
    lost = rule.learning_rate * rule.weight_decay
    return (
        f"weight_decay = {rule.weight_decay:g} at learning_rate = {rule.learning_rate:g} takes {lost / N:.3g} times "
        f"the weights from themselves in a step of N = {N} inputs, and beyond 2 times they grow; give a dimension "
        f"of at least {np.ceil(lost):.6g}, or a lower weight_decay"
    )


def _refused(problem: Problem, sizes: Sizes) -> str:
    """What no method takes, in words."""
    return without_steps(problem) or unstable_steps(problem, sizes)


@dataclass(frozen=True, slots=True)
class Chain:
    """The Markov chain of the sector overlaps."""

    name: str = "reduced"
    stream: int = 3
    widths: tuple[int, ...] = LANES

    def accepts(self, problem: Problem, sizes: Sizes) -> str:
        """It needs room for the frame of all students and teachers in every sector."""
        return _refused(problem, sizes) or too_small(problem, sizes)

    def together(self, request: Request, replicas: int, workers: int) -> int:
        """As many as fill vector lanes."""
        share = -(-replicas // workers)
        return next((lanes for lanes in LANES[:0:-1] if replicas >= lanes * workers), share)

    def bytes_per_thread(self, K: int, M: int, N: int) -> float:
        """None: its cost does not depend on N."""
        return 0.0

    def engine(self, request: Request, starts: list[OrderParameters], frames: Seeds, noise: Seeds) -> Engine:
        """As `SimulationMethod.engine`; it needs no frames."""
        return ReducedNetworks(request.problem, starts, request.sizes, noise)


@dataclass(frozen=True, slots=True)
class Explicit:
    """Weight vectors and Gaussian inputs in memory; `normals` as in `ExplicitNetworks`."""

    name: str
    normals: str
    stream: int = 2
    widths: tuple[int, ...] = LANES[:1]

    def accepts(self, problem: Problem, sizes: Sizes) -> str:
        """Every problem that has steps which do not make weights grow by themselves."""
        return _refused(problem, sizes)

    def together(self, request: Request, replicas: int, workers: int) -> int:
        """As many as end within some 10 ms, but no idle thread."""
        return _short_group(request, replicas, workers)

    def bytes_per_thread(self, K: int, M: int, N: int) -> float:
        """Of the weights, with a copy of them while they are made."""
        return 8.0 * N * (2 * (K + M) + 2)

    def engine(self, request: Request, starts: list[OrderParameters], frames: Seeds, noise: Seeds) -> Engine:
        """As `SimulationMethod.engine`."""
        return ExplicitNetworks(request.problem, _weights(request, starts, frames), request.sizes, noise, self.normals)


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """Weight vectors in memory, and rows of `inputs` (samples, N) in the eigenbasis."""

    inputs: Array
    name: str = SAMPLED
    stream: int = 4
    widths: tuple[int, ...] = LANES[:1]

    def accepts(self, problem: Problem, sizes: Sizes) -> str:
        """Every problem that has steps which do not make weights grow by themselves."""
        return _refused(problem, sizes)

    def together(self, request: Request, replicas: int, workers: int) -> int:
        """As many as end within some 10 ms, but no idle thread."""
        return _short_group(request, replicas, workers)

    def bytes_per_thread(self, K: int, M: int, N: int) -> float:
        """Little beside the inputs, which are there."""
        return 0.0

    def engine(self, request: Request, starts: list[OrderParameters], frames: Seeds, noise: Seeds) -> Engine:
        """As `SimulationMethod.engine`."""
        return SampledNetworks(request.problem, _weights(request, starts, frames), request.sizes, self.inputs, noise)


def _short_group(request: Request, replicas: int, workers: int) -> int:
    N, units = request.dimension, request.problem.student_units + request.problem.teacher_units
    work = step_work(N, units) * max(1, int(request.steps[-1]))
    most = MOST if isinstance(request.start, OrderParameters) else LANES[-1]  # nothing stops a start function
    return max(1, min(-(-replicas // workers), most, CHUNK_WORK // work, CACHED // (N * units)))


def _weights(request: Request, starts: list[OrderParameters], frames: Seeds) -> Array:
    grams = {id(start): start.gram for start in starts}
    return placing.many_weights([grams[id(start)] for start in starts], request.sizes, generators(frames))


CHAIN, EXPLICIT = Chain(), Explicit("explicit", "float64")
_ALL: tuple[SimulationMethod, ...] = (
    CHAIN,
    EXPLICIT,
    Explicit("explicit-float32", "float32"),
    Explicit("explicit-pcg64", "pcg64"),
)
METHODS = {method.name: method for method in _ALL}
NAMES = (AUTO, *METHODS)


def checked_name(name: str) -> str:
    """The name of a method, or "auto"; an error that lists all for anything else."""
    return check.choice("method", name, NAMES)


def chosen_method(problem: Problem, sizes: Sizes, name: str) -> SimulationMethod:
    """The method of that name, for sector dimensions (L,); for "auto" the cheapest. An error where it cannot run."""
    if checked_name(name) != AUTO:
        if refused := METHODS[name].accepts(problem, sizes):
            raise InvalidProblem(_with_another(refused, problem, sizes))
        return METHODS[name]
    if refused := _refused(problem, sizes):
        raise InvalidProblem(refused)
    units = problem.student_units + problem.teacher_units
    # Nanoseconds a step, roughly as measured: for a lane of the one, for all inputs of the other.
    cheaper = sizes.size * (30 + 5 * units**2) < sizes.sum() * (1.0 + 0.15 * units)
    order = (CHAIN.name, EXPLICIT.name) if cheaper else (EXPLICIT.name, CHAIN.name)
    refusals = [METHODS[one].accepts(problem, sizes) for one in order]
    if all(refusals):
        raise InvalidProblem(_with_another(refusals[0], problem, sizes))
    return METHODS[order[refusals.index("")]]


def _with_another(refused: str, problem: Problem, sizes: Sizes) -> str:
    """Why a method does not take a problem, and one that does, unless that is said already."""
    others = [name for name, method in METHODS.items() if not method.accepts(problem, sizes)]
    known = not others or any(f'method="{name}"' in refused for name in others)
    return refused if known else f"{refused}; method = {others[0]!r} takes it"
