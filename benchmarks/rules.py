"""What learning rules cost beside plain SGD of erf units: whole runs, steps, nodes, SciPy's methods, the simulators.

python benchmarks/rules.py [activations] [options] [memory] [nodes] [scipy] [simulators] [wide] [own]

One JSON line per measurement. Two things that are compared run in turn in one process, after compilation; times are the
processor seconds of one thread, the least of each. `wide` and `own` take minutes.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from common import emit, emit_only, in_turns, problem_of, random_start, sections
from scipy.integrate import solve_ivp

from ode_sgd import OrderParameters, Problem, Schedule, Spectrum, Trajectory, integrate, optimizers, rules, simulate
from ode_sgd.core import check
from ode_sgd.teacher_student.integration import rosenbrock
from ode_sgd.teacher_student.integration.integrate import request_of
from ode_sgd.teacher_student.integration.nodes import SpectrumNodes
from ode_sgd.teacher_student.integration.scipy_methods import flat_right_hand_side
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system
from ode_sgd.teacher_student.integration.solution import Solution

END = 1e4  # alpha to which rules are integrated
FEW, MANY, ENDLESS = 100, 1000, 100_000  # eigenvalues: of activations, of options, and those that nodes stand for
NOISE, RATE = 0.1, 0.1
ON_NODES = 3.0  # times its own time on few eigenvalues that a rule may take on nodes
TOLERANCE = 1e-6  # the default of integrate
NO_BOUND = float("inf")
EXPLICIT = (("DOP853", 60.0), ("LSODA", 1e3))  # and how far they are followed
EASY = 30.0  # alpha to which DOP853 is on many eigenvalues; its steps are in proportion to that

SLOWER = Schedule.power(RATE, 0.5, 100.0)
QUIETER = Schedule.power(NOISE, 0.5, 100.0)
LOOSER = Schedule.power(1e-3, 0.5, 100.0)
QUADRATIC = {"activation": "quadratic", "learning_rate": 0.01}
LAYER = {"second_layer_rate": 0.1}


class Row(NamedTuple):
    """A rule, students and teachers, and the most that it may take, in times of erf with plain SGD (or NO_BOUND)."""

    units: int
    most: float
    changes: dict[str, object]

    @property
    def name(self) -> str:
        """What is changed, as one would write it."""
        return ", ".join(f"{key} = {_brief(value)}" for key, value in self.changes.items())

    def pair(self, distinct: int) -> tuple[Problem, Problem]:
        """The rule; and erf with plain SGD at the same learning rate, if that is a number, and noise."""
        plain = replace(problem_of(distinct, self.units), label_noise=NOISE)
        rate = self.changes.get("learning_rate", RATE)
        return replace(plain, **self.changes), replace(plain, learning_rate=rate if isinstance(rate, float) else RATE)


def _brief(value: object) -> object:
    return "power law" if isinstance(value, Schedule) else value


ACTIVATIONS = (
    Row(2, 5.0, {"activation": "relu"}),
    Row(4, 12.0, {"activation": "relu"}),
    Row(2, 5.0, {"activation": "leaky_relu"}),
    Row(2, 16.0, {"activation": "tanh"}),
    Row(4, 40.0, {"activation": "tanh"}),
    Row(2, NO_BOUND, {"activation": "arctan"}),
    Row(2, 16.0, {"activation": "tanh", "teacher_activation": "erf"}),
    *(Row(units, 1.5, QUADRATIC) for units in (2, 4, 8)),
)
OPTIONS = (
    Row(2, 1.3, {"weight_decay": 0.01}),
    Row(2, 1.3, {"batch_size": 4}),
    Row(2, 1.3, {"learning_rate": SLOWER}),
    Row(2, 1.3, {"label_noise": QUIETER}),
    Row(2, 1.3, {"weight_decay": LOOSER}),
    Row(2, 1.3, {"learning_rate": SLOWER, "label_noise": QUIETER, "weight_decay": LOOSER}),
    Row(4, 1.3, {"weight_decay": 0.01}),
    Row(2, 1.5, LAYER),
    Row(4, 1.5, LAYER),
    Row(2, 1.5, LAYER | {"second_layer_decay": 0.1, "weight_decay": 0.01, "batch_size": 4}),
)
MEMORY = tuple(
    Row(2, 2.5, {"optimizer": optimizer})
    for optimizer in (
        optimizers.HeavyBall(1.0),
        optimizers.Averaging(0.5),
        optimizers.Averaging("running_mean"),
        optimizers.ScheduleFree(0.9),
        optimizers.DANA(1.0, 0.5, 0.1, Schedule.power(4.0, 1.0, 1.0)),
        optimizers.Adam(1.0),
        optimizers.Adam(1.0, basis="rotated"),
        optimizers.AdaGradNorm(1.0),
    )
)
NODES = (
    Row(2, ON_NODES, {}),
    *(Row(2, ON_NODES, {"activation": name}) for name in ("relu", "tanh")),
    Row(2, ON_NODES, QUADRATIC),
    *(Row(2, ON_NODES, changes) for changes in ({"weight_decay": 0.01}, {"batch_size": 4})),
    Row(2, ON_NODES, {"learning_rate": SLOWER}),
    Row(2, ON_NODES, LAYER),
)


def _start(problem: Problem) -> OrderParameters:
    """Students of a norm at which quadratic units do not diverge, nor kinked ones begin at zero."""
    return random_start(problem, seed=1)


def _beside_plain(row: Row, distinct: int, times: object, a_step: bool) -> None:
    """A rule in turn with plain SGD, whole spectrum; `a_step` says which ratio has a bound."""
    problems = row.pair(distinct)
    start = _start(problems[1])
    steps = [_attempts(integrate(problem, start, times, nodes=None).stats) for problem in problems]
    spent = in_turns(*(lambda one=one: integrate(one, start, times, nodes=None) for one in problems))
    whole = spent[0] / spent[1]
    per_step = whole * steps[1] / steps[0]
    emit_only(
        f"{row.name}, K=M={row.units}, L={distinct}, to {END:g}",
        ours_s=spent[0],
        plain_s=spent[1],
        steps=steps,
        ratio=whole,
        ratio_per_step=per_step,
        bound="per step" if a_step else "whole run",
        at_most=row.most,
        met=bool((per_step if a_step else whole) <= row.most),
    )


def _attempts(stats: dict[str, float]) -> int:
    return int(stats["steps"] + stats["rejected"])


def activations() -> None:
    """Whole runs over those of erf."""
    for row in ACTIVATIONS:
        _beside_plain(row, FEW, END, a_step=False)


def options() -> None:
    """Decay, batches, schedules and trained second layers: a step over one of plain SGD."""
    for row in OPTIONS:
        _beside_plain(row, MANY, np.array([0.0, END]), a_step=True)


def memory() -> None:
    """Optimisers with linear memory: a step over one of plain SGD."""
    for row in MEMORY:
        _beside_plain(row, MANY, np.array([0.0, END]), a_step=True)


def nodes() -> None:
    """A rule on nodes for a long spectrum, and on a short one: the integration alone, and all that `integrate` does.

    All that it does is to read the spectrum, the same for all rules, and to integrate on two numbers of nodes or more.
    """
    for row in NODES:
        long, short = row.pair(ENDLESS)[0], row.pair(FEW)[0]
        starts = _start(long), _start(short)
        on_nodes = integrate(long, starts[0], END)
        count = int(on_nodes.stats["nodes"])
        alone = _integration(long, starts[0], count), _integration(short, starts[1], None)
        steps = [_attempts(one().stats) for one in alone]
        spent = in_turns(
            *alone,
            lambda one=long, start=starts[0]: integrate(one, start, END),
            lambda one=short, start=starts[1]: integrate(one, start, END),
            rounds=3,
        )
        emit_only(
            f"{row.name or 'plain'} on nodes, K=M={row.units}, L={ENDLESS} over L={FEW}, to {END:g}",
            nodes=count,
            ours_s=spent[0],
            short_s=spent[1],
            steps=steps,
            ratio=spent[0] / spent[1],
            at_most=row.most,
            met=bool(spent[0] <= row.most * spent[1]),
            all_s=spent[2],
            all_short_s=spent[3],
            ratio_of_all=spent[2] / spent[3],
        )


def _integration(problem: Problem, start: OrderParameters, count: int | None) -> Callable[[], Solution]:
    """The integration alone, on so many nodes for the spectrum, or on all of it."""
    system, state = sector_system(problem, start, TOLERANCE), initial_state(start)
    request = request_of(problem, check.times(END), (1,), False, TOLERANCE, 0.0)
    if count is not None:
        reduced = SpectrumNodes(system, state, (1,)).on(count)
        system, state, request = reduced.system, reduced.state, replace(request, weights=reduced.weights)
    return lambda: rosenbrock.solve(system, state, request, lambda alpha: None)


def _solved(problem: Problem, start: OrderParameters, end: float, method: str = "DOP853") -> int:
    """Right-hand sides that a method of SciPy takes on the package's own, at our tolerance."""
    system, state = sector_system(problem, start), initial_state(start)
    piece = (problem.timetable.piece(0.0),) if problem.timetable else ()
    function = flat_right_hand_side(problem.g, system, state.shape, *piece)
    solution = solve_ivp(function, (0.0, end), state.ravel(), method, t_eval=[end], rtol=TOLERANCE, atol=1e-9)
    return int(solution.nfev)


def beside_scipy() -> None:
    """SciPy's methods on our right-hand side, per unit of alpha."""
    for row in (ACTIVATIONS[0], ACTIVATIONS[1], ACTIVATIONS[3]):
        problem = row.pair(8)[0]
        start = _start(problem)
        for method, end in EXPLICIT:
            ours, theirs = in_turns(
                lambda p=problem, s=start: integrate(p, s, END),
                lambda p=problem, s=start, m=method, end=end: _solved(p, s, end, m),
                rounds=3,
            )
            emit(
                f"{row.name}, K=M={row.units}, L=8, a unit of alpha: {method} to {end:g}, ours to {END:g}",
                ours_s=ours,
                rival=method,
                rival_s=theirs,
                ratio=(theirs / end) / (ours / END),
            )
    problem = OPTIONS[2].pair(MANY)[0]
    start = _start(problem)
    ours, theirs = in_turns(
        lambda: integrate(problem, start, EASY, nodes=None), lambda: _solved(problem, start, EASY), rounds=3
    )
    emit(f"{OPTIONS[2].name}, K=M=2, L={MANY}, to {EASY:g}", ours_s=ours, rival="DOP853", rival_s=theirs)


WIDE, SECTORS, FAR, NEAR = 64, 16, 1e5, 50.0


def wide() -> None:
    """Quadratic networks of 64 units to 1e5 beside DOP853, whose steps grow in proportion to alpha: it goes to 50.

    To 1e5 it would take an hour. That is extrapolated: as many right-hand sides per unit of alpha as in the second half
    of its run, and its seconds for each. Ours is one run, not the least of several: 80 seconds, without load.
    """
    layer = (1.0 / WIDE,) * WIDE
    quadratic = {"activation": "quadratic", "student_weights": layer, "teacher_weights": layer}
    problem = replace(problem_of(SECTORS, WIDE), **quadratic, learning_rate=0.05 * WIDE, label_noise=NOISE)
    start = _start(problem)
    integrate(problem, start, 1e-3, nodes=None)
    _solved(problem, start, 1e-3)
    before, theirs = (_timed_solution(problem, start, end) for end in (0.5 * NEAR, NEAR))
    runs: list[Trajectory] = []
    (ours,) = in_turns(lambda: runs.append(integrate(problem, start, FAR, nodes=None)), rounds=1)
    slope = (theirs[1] - before[1]) / (0.5 * NEAR)
    emit(
        f"quadratic, K=M={WIDE}, L={SECTORS}, to {FAR:g}; DOP853 to {NEAR:g}, extrapolated",
        ours_s=ours,
        rival="DOP853",
        rival_s=theirs[0] / theirs[1] * (theirs[1] + slope * (FAR - NEAR)),
        steps=_attempts(runs[0].stats),
        measured_s=theirs[0],
        right_hand_sides=theirs[1],
        right_hand_sides_to_half=before[1],
        at_least=20.0,
    )


def _timed_solution(problem: Problem, start: OrderParameters, end: float) -> tuple[float, int]:
    """Seconds and right-hand sides of DOP853 to a time."""
    calls: list[int] = []
    (seconds,) = in_turns(lambda: calls.append(_solved(problem, start, end)), rounds=1)
    return seconds, calls[-1]


OWN_TOLERANCE = 1e-4  # of averages over nodes, whose own error is larger
OWN, OWN_TO = 300.0, 1e3  # times the run of the closed form that one over 8192 nodes may take; and how far both go
CLIP, COARSE = 0.4, 2**8  # nodes where methods are compared, all of which have the same ones
SCIPY_TO = {"DOP853": 1.0, "LSODA": 0.1}  # as far as they are followed


def own() -> None:
    """A rule over nodes beside the closed form; and one that follows no gradient beside SciPy's methods."""
    plain = problem_of(FEW)
    start, times = _start(plain), np.array([0.0, OWN_TO])
    one = replace(plain, rule=rules.squared("erf"))
    runs = [
        lambda p=p, to=to: integrate(p, start, to, nodes=None, rtol=OWN_TOLERANCE)
        for p in (one, plain)
        for to in (1e-3, times)
    ]
    for compile_it in runs[::2]:
        compile_it()
    steps = []
    spent = in_turns(*(lambda run=run: steps.append(_attempts(run().stats)) for run in runs[1::2]), rounds=1)
    emit_only(
        f"rule, {one.rule.nodes} nodes, K=M=2, L={FEW}, to {OWN_TO:g}, over the closed form of erf",
        ours_s=spent[0],
        plain_s=spent[1],
        steps=steps,
        ratio=spent[0] / spent[1],
        at_most=OWN,
        met=bool(spent[0] <= OWN * spent[1]),
    )
    coarse = replace(plain, rule=rules.clipped(rules.squared("erf", nodes=COARSE), CLIP))
    for method, end in SCIPY_TO.items():
        done: list[Trajectory] = []
        for name in ("rodas5p", method):
            integrate(coarse, start, 1e-3, nodes=None, rtol=OWN_TOLERANCE, method=name)
        spent = in_turns(
            *(
                lambda name=name, end=end, done=done: done.append(
                    integrate(coarse, start, end, nodes=None, rtol=OWN_TOLERANCE, method=name)
                )
                for name in ("rodas5p", method)
            ),
            rounds=1,
        )
        emit(
            f"clipped, {COARSE} nodes, K=M=2, L={FEW}, to {end:g}",
            ours_s=spent[0],
            rival=method,
            rival_s=spent[1],
            steps=_attempts(done[0].stats),
            right_hand_sides=int(done[1].stats["right_hand_sides"]),
        )


def simulators() -> None:
    """A step of the simulators with a scheduled rate over one with a number."""
    plain = replace(problem_of(4), spectrum=Spectrum.power_law(4, 1.0), label_noise=NOISE)
    problems = replace(plain, learning_rate=SLOWER), plain
    start = random_start(plain)
    for method, replicas in (("reduced", 32), ("explicit", 1)):
        given = {"dimension": 1000, "replicas": replicas, "seed": 0, "method": method, "threads": 1}
        ours, number = in_turns(
            *(lambda one=one, given=given: simulate(one, start, [0.0, 10.0], **given) for one in problems)
        )
        emit(f"scheduled SGD, {method}", ours_s=ours, rival="number", rival_s=number, ratio=ours / number)


if __name__ == "__main__":
    sections(
        {
            "activations": activations,
            "options": options,
            "memory": memory,
            "nodes": nodes,
            "scipy": beside_scipy,
            "simulators": simulators,
            "wide": wide,
            "own": own,
        }
    )
