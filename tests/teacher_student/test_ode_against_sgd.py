"""ODE against explicit SGD at N = 2000: agreement within statistical error, and wrong theories that must not agree.

From one start per seed, 16 replicas of the SGD and the ODE. For eps_g, the upper triangle of Q and all of R, at every
output time after the start,

    z = (mean over replicas - ODE) / sqrt(se^2 + (s / N)^2),

with se the standard error over replicas. (s / N)^2 allows for the bias of SGD at finite N, of order 1/N: s is the
largest absolute value of the quantity along the ODE's run. The pooled value is the root mean square of z. With 16
replicas, mean / se follows Student's t with 15 degrees of freedom, so a right theory gives about sqrt(15/13) = 1.07,
somewhat less where the allowance counts.

`python -m tests.teacher_student.test_ode_against_sgd` takes ten seeds (two CPU minutes); the suite takes two.
"""

import functools
import sys

import numpy as np
import pytest

from ode_sgd import OrderParameters, Problem, Spectrum, integrate, simulate
from tests.reference.theory import Theory

N, REPLICAS, SEEDS, SAMPLE = 2000, 16, range(10), range(2)
LOW, HIGH = 0.8, 1.25
CASES = [("erf", 1), ("erf", 4), ("linear", 1), ("linear", 4)]
# Label noise and learning rate make noise term, eta^2 term and curvature large beside the statistical error.
SETTINGS = {
    "erf": {"learning_rate": 0.5, "label_noise": 0.6},
    "linear": {"learning_rate": 0.4, "label_noise": 1.0},
}
END = {"erf": 10.0, "linear": 6.0}
QUANTITIES = ("eps_g", "Q", "R")
UPPER = np.triu_indices(2)


def problem_of(activation, L):
    return Problem(
        spectrum=Spectrum.power_law(L, 1.0),
        student_units=2,
        teacher_units=2,
        activation=activation,
        **SETTINGS[activation],
    )


@functools.cache
def simulated(activation, L, seed):
    """(problem, start, mean, standard error) of one seed."""
    problem = problem_of(activation, L)
    start = OrderParameters.random(problem, N, 0.5, seed=seed)
    alpha = np.concatenate([[0.0], np.geomspace(0.3, END[activation], 8)])
    run = simulate(problem, start, alpha, dimension=N, replicas=REPLICAS, seed=seed, method="explicit")
    assert run.status == "complete"
    return problem, start, run.mean(), run.standard_error()


def curves(error, Q, R):
    """Quantity -> (n, entries)."""
    return {"eps_g": error[:, None], "Q": Q[:, UPPER[0], UPPER[1]], "R": R.reshape(len(R), 4)}


def of_package(problem, start, alpha):
    run = integrate(problem, start, alpha, rtol=1e-8)
    return curves(run.generalization_error, run.Q, run.R)


def of_twin(problem, start, alpha, **switches):
    """The plain NumPy theory, wrong where switches say so."""
    theory = Theory.of(problem, **switches)
    sectors = theory.solve(start.gram, alpha, rtol=1e-7)
    C = np.array([theory.covariance(c) for c in sectors])
    return curves(np.array([theory.error(c) for c in sectors]), C[:, :2, :2], C[:, :2, 2:])


def z_scores(activation, L, seed, theory):
    """Quantity -> z (times after the start, entries)."""
    problem, start, mean, error = simulated(activation, L, seed)
    ode = theory(problem, start, mean.alpha)
    mean, error = (curves(run.generalization_error, run.Q, run.R) for run in (mean, error))
    scores = {}
    for name in QUANTITIES:
        allowance = np.abs(ode[name]).max(axis=0) / N
        scores[name] = ((mean[name] - ode[name]) / np.sqrt(error[name] ** 2 + allowance**2))[1:]
    return scores


def pooled(scores, names=QUANTITIES):
    """Root mean square over all z of the named quantities in a list of scores."""
    return float(np.sqrt(np.mean(np.concatenate([one[name].ravel() for one in scores for name in names]) ** 2)))


def agreement(every_seed):
    """What is found with some seeds, line by line, and what of it is outside the band."""
    report, outside = [], []

    def check(label, scores, names=QUANTITIES):
        value = pooled(scores, names)
        if not LOW < value < HIGH:
            outside.append(f"{label}: {value:.2f}")
        return value

    for title, theory in (("integrate", of_package), ("plain NumPy ODE", of_twin)):
        every = {case: [z_scores(*case, seed, theory) for seed in every_seed] for case in CASES}
        for (activation, L), scores in every.items():
            value = check(f"{title}, {activation} L={L}", scores)
            parts = ", ".join(f"{name} {pooled(scores, [name]):.2f}" for name in QUANTITIES)
            seeds = " ".join(f"{pooled([one]):.2f}" for one in scores)
            report.append(f"{title}, {activation} L={L}: pooled z {value:.2f} ({parts}; seeds {seeds})")
        for name in QUANTITIES:
            value = check(f"{title}, {name}", [one for scores in every.values() for one in scores], [name])
            report.append(f"{title}, all cases, {name}: pooled z {value:.2f}")
    return report, outside


def test_agreement(record_property):
    """One test for all cases and both theories, because they share their simulations."""
    report, outside = agreement(SAMPLE)
    for line in report:
        record_property("measured", line)
    assert not outside, "\n".join(report)


MUTATIONS = {
    "label noise dropped": {"noise_variance": 0.0},
    "eta^2 term doubled": {"quadratic_term": 2.0},
    "sign of E[g''g] flipped": {"curvature_sign": -1.0},
}
# For linear units E[g''g] = 0: nothing to notice.
WRONG = [("erf", name) for name in MUTATIONS] + [("linear", name) for name in list(MUTATIONS)[:2]]


@pytest.mark.parametrize("L", [1, 4])
@pytest.mark.parametrize(("activation", "mutation"), WRONG)
def test_a_wrong_theory_is_noticed(activation, mutation, L, record_property):
    theory = functools.partial(of_twin, **MUTATIONS[mutation])
    value = pooled([z_scores(activation, L, 0, theory)])
    record_property("measured", f"pooled z {value:.1f}")
    assert value > 4.0 * HIGH  # far outside the band, with one seed already


if __name__ == "__main__":
    found, beyond = agreement(SEEDS)
    print(*found, *(f"outside {LOW} to {HIGH}: {line}" for line in beyond), sep="\n")
    sys.exit(bool(beyond))
