"""Random problems against plain formulas by DOP853 at 1e-13: is the error of eps_g about rtol?

python -m tests.teacher_student.integration.battery [COUNT] [SEED]   (default 1000 from seed 0; a quarter of an hour)

A problem fails where the largest |eps_g / true - 1| exceeds 10 rtol max(1, a), a the relative change of eps_g over a
relative change of 1e-9 of the start: what a problem amplifies no step control can take back.
"""

import sys
import time
from dataclasses import dataclass

import numpy as np

from ode_sgd import OrderParameters, Problem, Spectrum, integrate
from ode_sgd.teacher_student.model.starts import wishart_grams
from tests.reference.drift import Plain

CHANGE = 1e-9
REFERENCE = 2e-12  # what DOP853 at 1e-13 leaves of eps_g, relative to its terms (measured against exact linear runs)
CPU_SECONDS = 1.0  # for a reference
LARGEST = 12  # units of either network


@dataclass(frozen=True, kw_only=True)
class Case:
    """A problem, its sector Gram matrices (L, d, d) at the start, output times and tolerance."""

    problem: Problem
    gram: np.ndarray
    times: np.ndarray
    rtol: float

    def start(self):
        """As the package takes it."""
        K = self.problem.student_units
        return OrderParameters(self.gram[:, :K, :K], self.gram[:, :K, K:], self.gram[:, K:, K:])


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a case; `ratio` is error / (rtol max(1, a))."""

    error: float
    amplification: float
    ratio: float
    steps: float
    status: str


def random_spectrum(rng):
    """One to sixty eigenvalues: a power law, or up to two and a half decades of random ones."""
    L = int(np.exp(rng.uniform(0.0, np.log(61.0))))
    kind = rng.integers(3)
    if L == 1:
        return Spectrum.isotropic()
    if kind == 0:
        return Spectrum.power_law(L, float(rng.uniform(0.1, 1.3)))
    values = 10.0 ** rng.uniform(-rng.uniform(0.0, 2.5), 0.0, L)
    weights = np.full(L, 1.0 / L) if kind == 1 else rng.dirichlet(np.full(L, 2.0))
    return Spectrum(values / (weights @ values), weights)


def random_units(rng):
    """K and M up to twelve, mostly small, alike in four of ten."""
    sizes = np.arange(1, LARGEST + 1)
    chances = sizes**-1.5 / (sizes**-1.5).sum()
    K = int(rng.choice(sizes, p=chances))
    return K, K if rng.random() < 0.4 else int(rng.choice(sizes, p=chances))


def random_outputs(rng, K, M):
    """Second layers: committee, mean field, or weights of either sign."""
    kind = rng.integers(3)
    if kind < 2:
        return {"output": "mean_field" if kind == 0 else "committee"}
    signs = [rng.choice([-1.0, 1.0], units) * rng.uniform(0.4, 1.5, units) for units in (K, M)]
    return {"student_weights": signs[0], "teacher_weights": signs[1]}


def random_problem(rng):
    """Any problem that does not diverge."""
    (K, M), spectrum = random_units(rng), random_spectrum(rng)
    activation = "linear" if rng.random() < 0.15 else "erf"
    outputs = random_outputs(rng, K, M)
    gradient_flow = bool(rng.random() < 0.3)
    noise = 0.0 if rng.random() < 0.6 else float(10.0 ** rng.uniform(-2.0, 0.0))
    trainable = int(rng.integers(1, spectrum.distinct + 1)) if rng.random() < 0.15 else None
    eta = float(10.0 ** rng.uniform(-1.5, 0.3))
    (own,) = rng.spawn(1)  # other problems stay what they were
    decay = 0.0 if own.random() < 0.7 else float(10.0 ** own.uniform(-3.0, 0.0))
    values = {
        "spectrum": spectrum,
        "student_units": K,
        "teacher_units": M,
        "activation": activation,
        "label_noise": noise,
        "gradient_flow": gradient_flow,
        "trainable": trainable,
        "weight_decay": decay,
        **outputs,
    }
    if activation == "linear" and not gradient_flow:
        v = Problem(**values, learning_rate=eta).v
        eta = min(eta, 0.8 * 2.0 / spectrum.moment(1) / float(v @ v))  # below critical
    return Problem(**values, learning_rate=eta)


def random_case(number):
    """Case of that number: always the same. Its horizon bounds what an explicit method spends."""
    rng = np.random.default_rng([number, 77])
    problem = random_problem(rng)
    K, M, L = problem.student_units, problem.teacher_units, problem.spectrum.distinct
    scales = np.repeat([10.0 ** rng.uniform(-3.0, 0.2), 10.0 ** rng.uniform(-0.3, 0.3)], [K, M])
    inputs = int(max(K + M, 10.0 ** rng.uniform(0.5, 5.0)))
    gram = wishart_grams(np.full(L, inputs), scales, rng)
    rtol = float(10.0 ** rng.uniform(-10.0, -3.0))
    v, a = np.abs(problem.v), np.abs(problem.signed_weights)
    fastest = (v**2).max() + v.max() * a.sum() / 3.0 if problem.activation == "erf" else (v**2).sum()
    rate = problem.learning_rate * problem.spectrum.eigenvalues.max() * max(fastest, 0.3)
    end = 10.0 ** rng.uniform(0.5, 3.2) / rate
    return Case(problem=problem, gram=gram, times=np.concatenate([[0.0], np.geomspace(1e-3 * end, end, 25)]), rtol=rtol)


def truths(case, number):
    """eps_g (n,) from the start and from one that is changed by CHANGE, and the terms of its sum; None if too long."""
    plain, (L, d, _) = Plain.of(case.problem), case.gram.shape
    rng, K = np.random.default_rng([number, 5]), case.problem.student_units
    factors = 1.0 + CHANGE * np.triu(rng.standard_normal((L, d, d)))
    factors = np.triu(factors) + np.triu(factors, 1).swapaxes(1, 2)
    factors[:, K:, K:] = 1.0
    pairs = 0.0 if case.problem.gradient_flow else K * (K + 1) * d * (d + 1) / 4.0
    seconds = 1.2e-5 + 3.5e-8 * pairs + 2e-8 * K * d + L * (4e-7 + 2e-9 * d**3)  # a right-hand side, roughly
    found = []
    for gram in (case.gram, case.gram * factors):
        states = plain.solve(gram, case.times, most=CPU_SECONDS / seconds)
        if states is None:
            return None
        found.append(plain.errors(states))
    return found[0][0], found[1][0], found[0][1]


def judge(case, truth, **options):
    """Run the integrator on the whole spectrum and hold it against the truth, where both are resolved."""
    run = integrate(
        case.problem, case.start(), case.times, **{"rtol": case.rtol, "nodes": None, "moments": (1,), **options}
    )
    error, changed, terms = (values[: run.alpha.size] for values in truth)
    seen = (error > 100.0 * run.resolution) & (error * case.rtol > REFERENCE * terms)
    off = np.abs(run.generalization_error[seen] / error[seen] - 1.0).max(initial=0.0)
    sure = error * CHANGE > 1e-13 * terms  # elsewhere the change drowns in the reference's own error
    amplification = np.abs(changed[sure] / error[sure] - 1.0).max(initial=0.0) / CHANGE
    return Verdict(
        error=float(off),
        amplification=float(amplification),
        ratio=float(off / case.rtol / max(1.0, amplification)),
        steps=run.stats.get("steps", np.nan),
        status=run.status,
    )


def main(count=1000, seed=0):
    """Print the worst cases; 1 if any fails."""
    began, ratios, skipped, number = time.monotonic(), {}, 0, seed
    while len(ratios) < count:
        case = random_case(number)
        truth = truths(case, number)
        if truth is None:
            skipped += 1
        else:
            verdict = judge(case, truth)
            ratios[number] = verdict.ratio if verdict.status == "complete" else np.inf
            if ratios[number] > 3.0:
                one = case.problem
                print(
                    f"{number}: {verdict.status}, error {verdict.error / case.rtol:.3g} rtol, a = "
                    f"{verdict.amplification:.2g}, rtol {case.rtol:.1e}, {one.activation}, K = {one.student_units}, "
                    f"M = {one.teacher_units}, L = {one.spectrum.distinct}",
                    flush=True,
                )
        number += 1
    values = np.array(list(ratios.values()))
    failed = int((values > 10.0).sum())
    print(
        f"{count} problems from {seed} ({skipped} too long for the reference): error / (rtol max(1, a)) median "
        f"{np.median(values):.2g}, 99 of 100 below {np.quantile(values, 0.99):.2g}, largest {values.max():.3g}; "
        f"{failed} fail; {time.monotonic() - began:.0f} s"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
