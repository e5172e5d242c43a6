"""The SGD of optimisers whose rates follow the gradients against their ODE, at length: run this module.

K = M = 2, L = 2 and 4, with label noise; all overlaps of all sectors. The bias of order 1 / N is allowed for as in
test_ode_against_sgd.py. A last table has the largest difference for N = 200 to 1600, which falls with N.
"""

import numpy as np

from ode_sgd import OrderParameters, Problem, Spectrum, integrate, optimizers, simulate

RULES = {
    "SignSGD": (optimizers.SignSGD(), 0.1),
    "SignSGD, rotated": (optimizers.SignSGD(basis="rotated"), 0.1),
    "Adam": (optimizers.Adam(2.0), 0.1),
    "Adam, rotated": (optimizers.Adam(2.0, initial_second_moment=0.3, bias_correction=False, basis="rotated"), 0.2),
    "AdaGradNorm": (optimizers.AdaGradNorm(0.5), 0.5),
    "Polyak": (optimizers.Polyak(), 1.0),
}
SPECTRA = {2: Spectrum([1.6, 0.4], [0.5, 0.5]), 4: Spectrum([2.0, 1.0, 0.6, 0.4], [0.25] * 4)}
# Of order 1 / N, in units of the overlaps over N. The second moments of Adam with b = 2 are means over N / 2 inputs:
# their relative variance 4 b / N raises the mean of 1 / sqrt(nu) by 3 / N, which is 2 / N of overlaps that change by
# two thirds. With bias correction they begin as means over N alpha inputs: 3 / (N alpha) sums up to 3 ln(N) / N times
# what the overlaps change in a unit of alpha, about a fourth of themselves.
BIAS = {None: 1.0, False: 2.0, True: 5.0}
TIMES = [0.0, 0.5, 2.0, 5.0]


def problem(name, L=2, **changes):
    rule, rate = RULES[name]
    given = {"spectrum": SPECTRA[L], "student_units": 2, "teacher_units": 2, "label_noise": 0.2}
    return Problem(**{**given, "learning_rate": rate, "optimizer": rule, **changes})


def differences(one, theory, N, replicas, seed, method="auto"):
    """Simulated means less theory, their standard errors and the size of the overlaps, for all sectors and times."""
    start = OrderParameters.random(one, N, 0.7, seed=seed)
    sgd = simulate(one, start, TIMES, dimension=N, replicas=replicas, seed=seed, sectors=True, method=method)
    ode = integrate(theory, start, sgd.alpha, method="DOP853", rtol=1e-4, sectors=True)
    found = []
    for name in "qr":
        values, exact = getattr(sgd.sectors, name)[:, 1:], getattr(ode.sectors, name)[1:]
        error = values.std(axis=0, ddof=1) / np.sqrt(replicas)
        found.append(
            [part.ravel() for part in (values.mean(axis=0) - exact, error, np.abs(exact).max(axis=0) + 0 * exact)]
        )
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def both_z(one, N, replicas, seeds, theory=None, method="auto"):
    """Root mean square of z with the bias allowed for, and in standard errors alone."""
    squares = []
    for seed in seeds:
        off, error, size = differences(one, theory or one, N, replicas, seed, method)
        allowed = np.hypot(error, BIAS[getattr(one.optimizer, "bias_correction", None)] * size / N)
        squares.append([(off / allowed) ** 2, (off / error) ** 2])
    pooled, alone = np.sqrt(np.mean(squares, axis=(0, 2)))
    return float(pooled), float(alone)


def pooled_z(one, N, replicas, seeds, theory=None):
    """Root mean square of z, with theory for another problem if that is given."""
    return both_z(one, N, replicas, seeds, theory)[0]


def main():
    for L in SPECTRA:
        for name in RULES:
            N = 400 if "rotated" in name else 800
            print(
                f"L = {L}, N = {N}, {name}: rms z = {pooled_z(problem(name, L), N, 24, range(10, 14)):.2f}", flush=True
            )
    for name in RULES:
        for N in (200, 400, 800, 1600)[: 3 if "rotated" in name else 4]:
            off, error, _ = differences(problem(name), problem(name), N, 100, 20)
            told = f"largest difference {np.abs(off).max():.4f}, mean {np.abs(off).mean():.5f}"
            print(f"{name}, N = {N}: {told}, standard error {np.sqrt(np.mean(error**2)):.5f}", flush=True)


if __name__ == "__main__":
    main()
