"""Checks of floors and of linear SGD that take minutes: python -m tests.teacher_student.theory.floors.long_checks

Linear means and variances at N = 20 over 1e5 replicas, the pair law against `integrate` and SGD, and decays fitted on
`integrate` against relaxation rates. Exit status 1 where one is outside its bound.
"""

import sys
from dataclasses import replace

import numpy as np

import ode_sgd
from ode_sgd import OrderParameters, Spectrum, theory
from tests.teacher_student.theory.floors.cases import at_teacher, erf, law, linear, many_weights, pair_at
from tests.teacher_student.theory.test_finite_size import scores

REPLICAS = 100_000


def linear_scores():
    """|z| < 4 for all means and variances, at N = 20."""
    problem, _ = many_weights()
    problem = replace(problem, spectrum=Spectrum([1.9, 1.1, 0.6, 0.3], np.full(4, 0.25)))
    uneven = problem, OrderParameters.random(problem, 20, 0.7, 1.0, seed=2)
    good = True
    for name, (one, start) in {"K = 3, M = 2, L = 4": uneven, "K = M = L = 1": linear([1.0], [1.0])}.items():
        z = scores(one, start, np.array([0.0, 0.5, 2.0, 8.0]), dimension=20, replicas=REPLICAS, seed=11)
        worst, rms = max(z.values(), key=abs), float(np.sqrt(np.mean(np.square(list(z.values())))))
        variances = [value for key, value in z.items() if key.startswith("variance")]
        told = f"rms {rms:.2f}, worst {worst:+.2f}; variances {np.round(variances, 2)}"
        print(f"{name}, {REPLICAS} replicas: {len(z)} z, {told}")
        good &= abs(worst) < 4.0
    return good


def pairs():
    """Within 0.2 % of integrate's Q, and 2 % of SGD's at N = 100."""
    good = True
    for K, M, eta in ((4, 2, 0.1), (3, 1, 0.1)):
        problem, alpha = erf(K, M, learning_rate=eta), np.array([0.0, 1e4, 1e5, 1e6, 1e7])
        run = ode_sgd.integrate(problem, pair_at(problem, 1.0), alpha, rtol=1e-8)
        course = theory.excess_pair(problem, 1.0, run.alpha)
        off = np.abs(run.Q[1:, M, M] / course.Q[1:] - 1.0).max()
        error = np.abs(run.generalization_error[1:] / course.generalization_error[1:] - 1.0).max()
        print(f"pair, K = {K}, M = {M}, to alpha = {run.alpha[-1]:g}: Q off by {off:.1e}, eps_g by {error:.1e}")
        good &= off < 2e-3 and run.status == "complete"
    problem = erf(4, 2, learning_rate=0.3, label_noise=0.3)
    sgd = ode_sgd.simulate(
        problem, pair_at(problem, 1.0), [0.0, 1e3, 1e4, 2e4], dimension=100, replicas=8, seed=1, method="reduced"
    )
    ratio = sgd.Q[:, 1:, 2, 2] / theory.excess_pair(problem, 1.0, sgd.alpha).Q[1:]
    print(f"pair, SGD over theory: {ratio.mean(axis=0).round(4)} +- {(ratio.std(axis=0, ddof=1) / 8**0.5).round(4)}")
    return good and bool(np.abs(ratio.mean(axis=0) - 1.0).max() < 0.02)


def relaxations():
    """Within 1 % of decays fitted on integrate."""
    good = True
    for K, L, eta in ((2, 1, 1.5), (2, 4, 0.5), (2, 4, 2.18853140), (3, 4, 0.8), (3, 2, 1.0)):
        problem = erf(K, spectrum=law(L), learning_rate=eta, label_noise=0.0)
        rate = theory.relaxation_rates(problem, count=1).error
        start = at_teacher(problem, np.tile(np.eye(K), (L, 1, 1)), 0.1)
        alpha = np.array([0.0, 30.0, 40.0]) / rate
        errors = ode_sgd.integrate(problem, start, alpha, rtol=1e-8).generalization_error
        fitted = np.log(errors[1] / errors[2]) / (alpha[2] - alpha[1])
        off = fitted / rate - 1.0
        print(f"K = {K}, L = {L}, eta = {eta:g}: fitted {fitted:.7f}, theory {rate:.7f}, off by {off:+.1e}")
        good &= abs(fitted / rate - 1.0) < 0.01
    return good


if __name__ == "__main__":
    sys.exit(0 if all([relaxations(), linear_scores(), pairs()]) else 1)
