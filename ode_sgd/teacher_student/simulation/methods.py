"""The methods of simulation as objects: what each is called, what it takes, and how a group of replicas runs."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.schedule import largest
from ode_sgd.core.seeds import Seeds, generators
from ode_sgd.teacher_student.model import starts as placing
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive
from ode_sgd.teacher_student.model.optimizers.combinations import (
    ADAPTIVE,
    LINEAR_MEMORY,
    SCALAR_RATES,
    without_optimizer,
)
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation.adaptive import AdaptiveNetworks
from ode_sgd.teacher_student.simulation.chain import LANES, ReducedNetworks, too_small
from ode_sgd.teacher_student.simulation.chain_batches import BatchChains
from ode_sgd.teacher_student.simulation.chain_copies import CopiesChains
from ode_sgd.teacher_student.simulation.chain_rates import RateChains
from ode_sgd.teacher_student.simulation.copies import copies_of, scaled_copies, start_of_copies, too_fast
from ode_sgd.teacher_student.simulation.explicit import CHUNK_WORK, ExplicitNetworks, step_work
from ode_sgd.teacher_student.simulation.explicit_batches import ExplicitBatches, SampledBatches
from ode_sgd.teacher_student.simulation.explicit_copies import ExplicitCopies
from ode_sgd.teacher_student.simulation.request import Engine, Request, SimulationMethod
from ode_sgd.teacher_student.simulation.rule_batches import RuleBatches, RuleChains
from ode_sgd.teacher_student.simulation.rule_copies import RuleCopies, RuleCopiesChains
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
    """Why a step of N inputs makes weights grow, of which it leaves 1 - eta kappa / N; empty where it does not."""
    N, given = int(sizes.sum()), {**problem.timetable.quantities, "second_layer_decay": problem.kappa_v}
    for decay, rate in (("weight_decay", "learning_rate"), ("second_layer_decay", "second_layer_rate")):
        lost = largest(given[rate]) * largest(given[decay])
        if 1.0 - lost / N < -1.0:
            return (
                f"{decay} = {given[decay]:g} is too large for dimension = {N}: each step multiplies the weights by "
                f"1 - {rate} {decay} / dimension = {1.0 - lost / N:.3g}, so that they grow; give a dimension of at "
                f"least {np.ceil(lost):.6g}, better many times that, or a lower {decay}"
            )
    return ""


def _refused(problem: Problem, sizes: Sizes) -> str:
    """What no method takes, in words."""
    return (
        without_steps(problem)
        or unstable_steps(problem, sizes)
        or too_fast(problem, int(sizes.sum()))
        or beside_rule(problem)
    )


def beside_rule(problem: Problem) -> str:
    """What simulations do not do together with a rule of one's own, in words."""
    if problem.rule is None or not problem.spherical:
        return ""
    return f"rule = {str(problem.rule)!r} with spherical = True has no simulation; leave one of them out"


@dataclass(frozen=True, slots=True)
class Chain:
    """The Markov chain of the sector overlaps."""

    name: str = "reduced"
    stream: int = 3
    widths: tuple[int, ...] = LANES
    optimizers: frozenset[str] = LINEAR_MEMORY | SCALAR_RATES  # those that it takes

    def accepts(self, problem: Problem, sizes: Sizes) -> str:
        """It needs room for the frame of all students and teachers in every sector."""
        if problem.spherical:
            return f"method = {self.name!r} does not take spherical = True, whose lengths are those of real weights"
        other = without_optimizer(self.name, self.optimizers, problem.optimizer)
        if not other and problem.rule is not None and isinstance(problem.optimizer, Adaptive):
            other = f"method = {self.name!r} does not take optimizer = {problem.optimizer} with a rule"
        return other or _refused(problem, sizes) or too_small(problem, sizes)

    def together(self, request: Request, replicas: int, workers: int) -> int:
        """As many as fill vector lanes."""
        share = -(-replicas // workers)
        return next((lanes for lanes in LANES[:0:-1] if replicas >= lanes * workers), share)

    def bytes_per_thread(self, K: int, M: int, N: int) -> float:
        """None: its cost does not depend on N."""
        return 0.0

    def engine(self, request: Request, starts: list[OrderParameters], frames: Seeds, noise: Seeds) -> Engine:
        """As `SimulationMethod.engine`; it needs no frames."""
        by_rule = request.problem.rule is not None
        if request.problem.update_rule.copies is not None:
            chains = RuleCopiesChains if by_rule else CopiesChains
            return chains(request.problem, starts, request.sizes, noise)
        if isinstance(request.problem.optimizer, Adaptive):
            return RateChains(request.problem, starts, request.sizes, noise)
        if by_rule:
            return RuleChains(request.problem, starts, request.sizes, noise)
        if request.problem.update_rule.one_input_a_step:
            return ReducedNetworks(request.problem, starts, request.sizes, noise)
        return BatchChains(request.problem, starts, _second_layers(request, starts), request.sizes, noise)


@dataclass(frozen=True, slots=True)
class Explicit:
    """Weight vectors and Gaussian inputs in memory; `normals` as in `ExplicitNetworks`."""

    name: str
    normals: str
    stream: int = 2
    widths: tuple[int, ...] = LANES[:1]

    def accepts(self, problem: Problem, sizes: Sizes) -> str:
        """Every problem that has steps which do not make weights grow by themselves."""
        taken = LINEAR_MEMORY | ADAPTIVE if self.name == "explicit" else LINEAR_MEMORY
        other = without_optimizer(self.name, taken, problem.optimizer)
        return other or _refused(problem, sizes)

    def together(self, request: Request, replicas: int, workers: int) -> int:
        """As many as end within some 10 ms, but no idle thread."""
        return _short_group(request, replicas, workers)

    def bytes_per_thread(self, K: int, M: int, N: int) -> float:
        """Of the weights, with a copy of them while they are made; K counts all copies of the students."""
        return 8.0 * N * (2 * (K + M) + 2)

    def engine(self, request: Request, starts: list[OrderParameters], frames: Seeds, noise: Seeds) -> Engine:
        """As `SimulationMethod.engine`."""
        weights = _weights(request, starts, frames)
        if isinstance(request.problem.optimizer, Adaptive):
            return AdaptiveNetworks(request.problem, weights, request.sizes, noise)
        by_rule = request.problem.rule is not None
        if request.problem.update_rule.copies is not None:
            copies = RuleCopies if by_rule else ExplicitCopies
            return copies(request.problem, weights, request.sizes, noise, self.normals)
        if by_rule and request.problem.batch_size > 1:
            return RuleBatches(request.problem, weights, request.sizes, noise, self.normals)
        if request.problem.update_rule.one_input_a_step:
            return ExplicitNetworks(request.problem, weights, request.sizes, noise, self.normals)
        second = _second_layers(request, starts)
        return ExplicitBatches(request.problem, weights, second, request.sizes, noise, self.normals)


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """Weight vectors in memory, and rows of `inputs` (samples, N) in the eigenbasis; `held_out` are those not drawn."""

    inputs: Array
    held_out: Array | None = None
    name: str = SAMPLED
    stream: int = 4
    widths: tuple[int, ...] = LANES[:1]
    optimizers: frozenset[str] = frozenset()  # those that it takes

    def accepts(self, problem: Problem, sizes: Sizes) -> str:
        """Every problem that has steps which do not make weights grow by themselves."""
        if problem.spherical:
            return "inputs from data do not take spherical = True"
        if problem.rule is not None:
            return f"inputs from data do not take rule = {str(problem.rule)!r}"
        return without_optimizer(self.name, self.optimizers, problem.optimizer) or _refused(problem, sizes)

    def together(self, request: Request, replicas: int, workers: int) -> int:
        """As many as end within some 10 ms, but no idle thread."""
        return _short_group(request, replicas, workers)

    def bytes_per_thread(self, K: int, M: int, N: int) -> float:
        """Little beside the inputs, which are there."""
        return 0.0

    def engine(self, request: Request, starts: list[OrderParameters], frames: Seeds, noise: Seeds) -> Engine:
        """As `SimulationMethod.engine`."""
        weights = _weights(request, starts, frames)
        if request.problem.update_rule.one_input_a_step:
            return SampledNetworks(request.problem, weights, request.sizes, self.inputs, noise, self.held_out)
        second = _second_layers(request, starts)
        return SampledBatches(request.problem, weights, second, request.sizes, self.inputs, noise, self.held_out)


def _short_group(request: Request, replicas: int, workers: int) -> int:
    N, units = request.dimension, request.problem.student_units + request.problem.teacher_units
    work = step_work(N, units) * max(1, int(request.steps[-1])) * request.problem.batch_size
    most = MOST if isinstance(request.start, OrderParameters) else LANES[-1]  # nothing stops a start function
    return max(1, min(-(-replicas // workers), most, CHUNK_WORK // work, CACHED // (N * units)))


def _weights(request: Request, starts: list[OrderParameters], frames: Seeds) -> Array:
    """Weights (n, d, N) of a group: those that were given, or such as have the overlaps of the starts.

    Of an optimiser with linear memory all copies of the students come first.
    """
    problem = request.problem
    K, memory = problem.student_units, problem.update_rule.copies is not None
    if request.weights is not None:
        weights = np.repeat(np.concatenate([request.weights.J, request.weights.B])[None], len(starts), axis=0)
    else:
        goes_on = {id(start): memory and start.copies is not None for start in starts}
        whole = {id(s): start_of_copies(s) if goes_on[id(s)] else s for s in starts}
        grams = {key: start.gram for key, start in whole.items()}
        weights = placing.many_weights([grams[id(start)] for start in starts], request.sizes, generators(frames))
        memory = memory and not any(goes_on.values())
    if not memory:
        return weights
    return np.concatenate([scaled_copies(copies_of(problem), weights[:, :K], 1), weights[:, K:]], axis=1)


def _second_layers(request: Request, starts: list[OrderParameters]) -> Array:
    """v (n, K) of a group: that of a start which has one, or the problem's."""
    return np.array([start.second_layer(request.problem) for start in starts])


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
