"""Every public function of theory, analysis and integrate: what must not change if a problem is written otherwise.

An answer is a dictionary of numbers, words and arrays in the units' original order. `ANSWERS` has to be complete.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

import ode_sgd
from ode_sgd import theory
from ode_sgd.optimizers import Adam, SignSGD
from tests.equivalence.settings import Setting, original

BRANCHES = (None, "identical", "split")
ROUNDING = 1e-9  # of rates and heights, which are roots of equations solved to 1e-12
TIMES = [0.0, 5.0, 60.0]
SADDLES, RUN = ("orthonormal", "rough"), ("run",)


@dataclass(frozen=True)
class Entry:
    """One public function: its answer in a setting, the problems it is asked about, and what rounding may change."""

    of: Callable[[Setting], dict]
    problems: tuple[str, ...]
    tolerance: float = ROUNDING
    fast: bool = True


@functools.cache
def before(name):
    """Settings of an entry's problems, and the answers there."""
    entry = ANSWERS[name]
    return [(setting, entry.of(setting)) for setting in map(original, entry.problems)]


# --- runs of the original problem, written as the setting wants -------------------------------------------------------


@functools.cache
def _curve():
    return ode_sgd.integrate(original("run").problem, original("run").start, 2000.0, rtol=1e-8)


@functools.cache
def _power_law_curve():
    """Without a computation: alpha^-1/2, then exponential."""
    run = _curve()
    return replace(run, generalization_error=(1.0 + run.alpha) ** -0.5 * np.exp(-((run.alpha / 500.0) ** 2)))


@functools.cache
def _pairs():
    given, found = original("run"), []
    for dimension in (200, 400):
        sgd = ode_sgd.simulate(
            given.problem, given.start, TIMES[:2], dimension=dimension, replicas=8, seed=1, method="reduced"
        )
        found.append((ode_sgd.integrate(given.problem, given.start, sgd.alpha), sgd))
    return found


def _written_pairs(s):
    return [(s.written(ode), s.written(sgd)) for ode, sgd in _pairs()]


# --- answers ----------------------------------------------------------------------------------------------------------


def _of_branches(function, *parts):
    """Parts of what a function of (problem, start, branch) gives on every branch, with the start and without."""

    def answer(s):
        found = {}
        for branch in BRANCHES:
            for start in (s.start, None):
                value = function(s.problem, start, branch)
                key = f"{branch}, {'start' if start else 'none'}"
                found |= {f"{key}, {part}": getattr(value, part) for part in parts} if parts else {key: value}
        return found

    return answer


def _saddle(s):
    found = {}
    for branch in BRANCHES:
        saddle = theory.symmetric_saddle(s.problem, s.start, branch)
        found |= {f"{branch}": saddle.branch, f"{branch} height": saddle.generalization_error}
        found |= {f"{branch} Q": s.Q(saddle.Q), f"{branch} R": s.R(saddle.R), f"{branch} T": s.T(saddle.T)}
    return found


def _escape_time(s):
    found = [(branch, theory.escape_time(s.problem, s.start, branch)) for branch in BRANCHES]
    parts = ("time", "rate", "height", "asymmetry", "half_asymmetry")
    return {f"{branch} {part}": getattr(value, part) for branch, value in found for part in parts}


def _modes(s):
    """What noise drives: sum_j strength_j exp(-rate_j alpha), whatever the number of modes of strength zero."""
    modes = theory.linear_modes(s.problem)
    response = [float(np.sum(modes.strengths * np.exp(-modes.rates * alpha))) for alpha in TIMES]
    norms = np.linalg.norm(modes.vectors() @ np.sqrt(modes.weights))
    return {"slowest": modes.rates[0], "fastest": modes.rates[-1], "response": response, "norm": norms}


def _linear_overlaps(s):
    run = theory.linear_order_parameters(s.problem, s.start, TIMES)
    return {"error": run.generalization_error, "Q": s.Q(run.Q), "R": s.R(run.R), "T": s.T(run.T)}


def _fixed_point(s):
    point = theory.fixed_point(s.problem, s.start)
    parts = {"Q": s.Q(point.Q), "R": s.R(point.R), "cosines": s.R(point.cosines)}
    return parts | {"error": point.generalization_error, "unstable": point.unstable}


def _relaxation(s):
    """The slowest of each kind: how many there are depends on how many sectors are written."""
    rates = theory.relaxation_rates(s.problem, s.start, count=3)
    return {"s": rates.s, "b": rates.b, "error": rates.error}


def _optimal(s):
    eta, rate = theory.optimal_learning_rate(s.problem, s.start)
    return {"eta": s.scale * eta, "rate": rate}


def _pair(s):
    course = theory.excess_pair(s.problem, 0.3, [0.0, 1e3, 1e6], s.start)
    return {"Q": course.Q, "error": course.generalization_error, "onset": course.onset}


def _power_law(value):
    return {"exponent": None} if value is None else {"exponent": value.exponent, "window": value.window}


def _with_dana(problem, **numbers):
    fading = ode_sgd.Schedule.power(4.0, 1.0, 1.0)
    return replace(problem, optimizer=ode_sgd.optimizers.DANA(**({"g1": 1.0, "g2": 0.5, "delta": fading} | numbers)))


def _integrated(s, method="rodas5p", nodes="auto", times=TIMES):
    run = ode_sgd.integrate(s.problem, s.start, times, rtol=1e-9, method=method, nodes=nodes)
    return _trajectory(s, run)


def _trajectory(s, run):
    return {"error": run.generalization_error, "Q": s.Q(run.Q), "R": s.R(run.R), "status": run.status}


def _batch(s):
    runs = ode_sgd.integrate_batch([s.problem] * 2, [s.start] * 2, TIMES, rtol=1e-9)
    return {f"{number} {name}": value for number, run in enumerate(runs) for name, value in _trajectory(s, run).items()}


def _fields(value, *names):
    return {"there": value is not None} | {name: getattr(value, name) for name in names if value is not None}


def _findings(s):
    found = ode_sgd.findings(s.written(_curve()))
    return {"branch": found.branch, "height": found.theory_height, "rest": found.rest, "text": None} | _fields(
        found.theory_escape, "rate", "directions"
    )


def _specialisation(s):
    found = ode_sgd.specialisation(s.written(_curve()))
    teacher = np.argsort(s.teachers)  # original numbers of the written ones
    followed = [int(teacher[n]) if n >= 0 else -1 for n in found.teacher[list(s.students)]]
    return {"correlation": s.R(found.correlation), "teacher": followed, "alpha": found.alpha[list(s.students)]}


def _compared(s):
    found = ode_sgd.compare(*_written_pairs(s)[-1])
    return {"rms": found.rms, "z": abs(found.worst.z), "pairs": found.otherwise_paired}


def _fluctuations(s):
    found = ode_sgd.fluctuations(s.problem, s.start, TIMES[:2])
    overlaps = {"Q": s.Q(found.Q_variance), "R": s.R(found.R_variance), "Q bias": s.Q(found.Q_bias)}
    return {"variance": found.error_variance, "bias": found.error_bias} | overlaps


def _coordinatewise(s, optimizer):
    """Moves do not grow with the inputs, so that rates are in units of their root."""
    return replace(s.problem, optimizer=optimizer, learning_rate=s.problem.learning_rate * s.scale**0.5)


PLATEAU = ("start", "end", "length", "height")

ANSWERS = {
    "theory.escape_rate": Entry(_of_branches(theory.escape_rate), SADDLES),
    "theory.escape_law": Entry(_of_branches(theory.escape_law, "rate", "directions", "standard_deviation"), SADDLES),
    "theory.plateau_height": Entry(_of_branches(theory.plateau_height), SADDLES),
    "theory.symmetric_saddle": Entry(_saddle, (*SADDLES, "wide")),
    # The second order of eps_g is a difference that rounds to 1e-9.
    "theory.escape_time": Entry(_escape_time, SADDLES, 1e-7),
    "theory.critical_learning_rate": Entry(
        lambda s: {"eta": s.scale * theory.critical_learning_rate(s.problem)}, ("linear",)
    ),
    "theory.noise_floor": Entry(lambda s: {"floor": theory.noise_floor(s.problem, s.start)}, ("linear",)),
    "theory.noise_floor, erf": Entry(
        lambda s: {"floor": theory.noise_floor(s.problem, s.start)}, ("noisy", "few", "many")
    ),
    "theory.critical_learning_rate, erf": Entry(
        lambda s: {"eta": s.scale * theory.critical_learning_rate(s.problem, s.start)}, ("noisy",)
    ),
    "theory.coordinate_bases": Entry(
        lambda s: {"ratio": theory.coordinate_bases(replace(s.problem, optimizer=SignSGD())).floor_ratio}, ("linear",)
    ),
    "theory.sign_sgd_floor": Entry(
        lambda s: {"floor": theory.sign_sgd_floor(_coordinatewise(s, SignSGD()))}, ("linear",)
    ),
    "theory.adam_rates": Entry(
        lambda s: {"least": s.scale * theory.adam_rates(_coordinatewise(s, Adam(1.0))).min()}, ("noisy",)
    ),
    "theory.small_noise_floor": Entry(
        lambda s: {"floor": theory.small_noise_floor(s.problem, s.start)}, ("noisy", "many")
    ),
    "theory.fixed_point": Entry(_fixed_point, ("noisy", "few")),
    "theory.norm_divergence_rate": Entry(
        lambda s: {"eta": s.scale * theory.norm_divergence_rate(s.problem, s.start)}, ("plain pair",)
    ),
    "theory.relaxation_rates": Entry(_relaxation, ("noisy",)),
    "theory.relaxation_rate": Entry(lambda s: {"rate": theory.relaxation_rate(s.problem, s.start)}, ("noisy",)),
    "theory.optimal_learning_rate": Entry(_optimal, ("noisy",)),
    "theory.excess_pair": Entry(_pair, ("many",)),
    "theory.linear_modes": Entry(_modes, ("linear",)),
    "theory.linear_error": Entry(lambda s: {"error": theory.linear_error(s.problem, s.start, TIMES)}, ("linear",)),
    "theory.linear_error_variance": Entry(
        lambda s: {"variance": theory.linear_error_variance(s.problem, s.start, TIMES, dimension=60)}, ("linear",)
    ),
    "theory.linear_order_parameters": Entry(_linear_overlaps, ("linear",)),
    "theory.asymptotic_exponent": Entry(
        lambda s: _power_law(theory.asymptotic_exponent(s.problem, 0.1)), ("linear law", "erf law")
    ),
    "theory.linear_time_window": Entry(
        lambda s: {"window": theory.linear_time_window(s.problem, 0.1)}, ("linear law",)
    ),
    "theory.linear_feature_window": Entry(
        lambda s: {"window": theory.linear_feature_window(s.problem, 0.1)}, ("linear law",)
    ),
    "theory.power_law_exponent": Entry(
        lambda s: {"beta": theory.power_law_exponent(s.problem.spectrum)}, ("linear law", "erf law", "linear")
    ),
    "theory.linear_momentum_exponent": Entry(
        lambda s: {"x": theory.linear_momentum_exponent(_with_dana(s.problem, g3=0.3))}, ("linear law",)
    ),
    "theory.effective_learning_rate": Entry(
        lambda s: {"eta": s.scale * theory.effective_learning_rate(_with_dana(s.problem, g3=0.3, delta=0.2))},
        ("linear", "noisy"),
    ),
    # Functions of an exponent alone: of that of the problem's spectrum.
    "theory.linear_time_exponent": Entry(
        lambda s: {"nu": theory.linear_time_exponent(theory.power_law_exponent(s.problem.spectrum))}, ("linear law",)
    ),
    "theory.linear_feature_exponent": Entry(
        lambda s: {"beta": theory.linear_feature_exponent(theory.power_law_exponent(s.problem.spectrum))},
        ("linear law",),
    ),
    # Steps are chosen alike but for rounding, which the escape multiplies by 1e3.
    "integrate": Entry(_integrated, ("run", "at the saddle", "decaying"), 1e-8, fast=False),
    "integrate, nodes": Entry(_integrated, ("long",), 1e-7, fast=False),
    "integrate, whole": Entry(functools.partial(_integrated, nodes=None), ("long",), 1e-8, fast=False),
    # Their norms count components, so that other steps are chosen: a thousand times rtol.
    "integrate, DOP853": Entry(functools.partial(_integrated, method="DOP853"), ("run",), 1e-6, fast=False),
    "integrate, LSODA": Entry(functools.partial(_integrated, method="LSODA"), ("run",), 1e-6, fast=False),
    "integrate_batch": Entry(_batch, ("run", "decaying"), 1e-8, fast=False),
    "find_plateau": Entry(lambda s: _fields(ode_sgd.find_plateau(s.written(_curve())), *PLATEAU), RUN),
    "find_plateaus": Entry(
        lambda s: {
            f"{number} {name}": value
            for number, plateau in enumerate(ode_sgd.find_plateaus(s.written(_curve())).plateaus)
            for name, value in _fields(plateau, *PLATEAU).items()
        },
        RUN,
    ),
    "fit_escape": Entry(lambda s: _fields(ode_sgd.fit_escape(s.written(_curve())), "rate", "error", "window"), RUN),
    "asymmetry": Entry(lambda s: {"asymmetry": ode_sgd.asymmetry(s.written(_curve()))}, RUN),
    "specialisation": Entry(_specialisation, RUN),
    "findings": Entry(_findings, RUN),
    "describe": Entry(
        # The last line names students by their numbers.
        lambda s: {"text": ode_sgd.describe(ode_sgd.findings(s.written(_curve()))).rpartition("\n")[0]},
        RUN,
    ),
    "half_height": Entry(
        lambda s: _fields(ode_sgd.half_height(s.written(_curve())), "height", "branch", "entered", "within", "time"),
        RUN,
    ),
    "search_half_height": Entry(
        lambda s: _fields(ode_sgd.search_half_height(s.written(_curve())).half_height, "height", "time", "floor"), RUN
    ),
    "local_exponent": Entry(lambda s: {"slope": ode_sgd.local_exponent(s.written(_power_law_curve()))}, RUN),
    "fit_power_law": Entry(
        lambda s: _fields(ode_sgd.fit_power_law(s.written(_power_law_curve())), "exponent", "error", "window"), RUN
    ),
    "find_crossover": Entry(lambda s: _fields(ode_sgd.find_crossover(s.written(_power_law_curve())), "alpha"), RUN),
    "compare": Entry(_compared, RUN, 1e-8),  # z is a difference over a standard error
    # Nodes are turned with the numbering of units, and are as fine as the tolerance asks.
    "fluctuations": Entry(_fluctuations, RUN, 1e-5, fast=False),
    "extrapolate": Entry(lambda s: _fields(ode_sgd.extrapolate(_written_pairs(s)), "rms", "chi_square"), RUN, 1e-8),
}

RESULTS = {  # classes, and whose answers they are
    "theory.CoordinateBases": "theory.coordinate_bases",
    "theory.EscapeLaw": "theory.escape_law",
    "theory.EscapeTime": "theory.escape_time",
    "theory.ExcessPair": "theory.excess_pair",
    "theory.FixedPoint": "theory.fixed_point",
    "theory.RelaxationRates": "theory.relaxation_rates",
    "theory.LinearModes": "theory.linear_modes",
    "theory.LinearSolution": "theory.linear_order_parameters",
    "theory.PowerLaw": "theory.asymptotic_exponent",
    "theory.Saddle": "theory.symmetric_saddle",
    "Trajectory": "integrate",
    "Agreement": "compare",
    "Extrapolation": "extrapolate",
    "Fluctuations": "fluctuations",
    "Findings": "findings",
    "Plateau": "find_plateau",
    "Escape": "fit_escape",
    "PowerLawFit": "fit_power_law",
    "Crossover": "find_crossover",
    "Specialisation": "specialisation",
    "HalfHeight": "half_height",
}
ELSEWHERE = {  # not here, and why
    "simulate": "a seed draws other samples for units in another order; its law is tested in tests/solvers",
    "plots": "draws what the functions here return",
    "export_curves": "writes what the runs hold",
}


def close(found, expected, tolerance, what=""):
    """Every number within the tolerance of the largest of its kind; words and missing values the same."""
    assert found.keys() == expected.keys(), what
    for name, value in expected.items():
        if value is None or isinstance(value, str | bool):
            assert found[name] == value, f"{what}, {name}: {found[name]} is not {value}"
            continue
        assert found[name] is not None, f"{what}, {name}: nothing, in place of {value}"
        numbers = np.asarray(value, float)
        size = np.abs(numbers[np.isfinite(numbers)]).max(initial=0.0)
        np.testing.assert_allclose(
            np.asarray(found[name], float), numbers, rtol=tolerance, atol=tolerance * size, err_msg=f"{what}, {name}"
        )
