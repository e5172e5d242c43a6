"""Measures on a contour in NumPy, node by node; finite samples at finite and at infinite width as two formulas."""

import itertools

import numpy as np
from scipy.optimize import brentq, minimize_scalar

ANGLE = 0.5


def root(lam, counts, degrees):
    """kappa with df1(kappa) = degrees."""
    x = brentq(lambda x: (counts * lam / (lam + np.exp(x))).sum() - degrees, -90.0, 30.0, xtol=1e-14, rtol=1e-14)
    return np.exp(x)


def edge(lam, counts, sizes):
    """Smallest eigenvalue of the projected covariance: the largest -kt prod_n (1 - df1 / n) below the smaller root."""
    few = min(sizes)
    finite = [n for n in sizes if np.isfinite(n)]
    low = np.log(root(lam, counts, max(finite)) if len(finite) > 1 and max(finite) < counts.sum() else 1e-30)

    def rises(x):
        df1 = (counts * lam / (lam + np.exp(x))).sum()
        return np.exp(x) * np.prod([1.0 - df1 / n for n in sizes])

    high = np.log(root(lam, counts, few))
    trial = np.linspace(low, high, 4000)[1:-1]
    best = int(np.argmin([rises(x) for x in trial]))
    around = (trial[max(best - 1, 0)], trial[min(best + 1, trial.size - 1)])
    return -minimize_scalar(rises, bounds=around, method="bounded", options={"xatol": 1e-10}).fun


def path(low, high, per_efold):
    """zeta and d zeta in the upper half-plane: arc, ray inward, arc."""
    x, w = np.polynomial.legendre.leggauss(8)
    angle, turned = 0.5 * ANGLE * (1.0 + x), 0.5 * ANGLE * w
    nodes, steps = [high * np.exp(1j * angle)], [1j * high * np.exp(1j * angle) * turned]
    x, w = np.polynomial.legendre.leggauss(per_efold)
    edges = np.linspace(np.log(high), np.log(low), 1 + max(1, int(np.ceil(np.log(high / low)))))
    for a, b in itertools.pairwise(edges):
        zeta = np.exp(0.5 * (a + b) + 0.5 * (b - a) * x + 1j * ANGLE)
        nodes.append(zeta)
        steps.append(0.5 * (b - a) * w * zeta)
    nodes.append(low * np.exp(1j * angle))
    steps.append(-1j * low * np.exp(1j * angle) * turned)
    return np.concatenate(nodes), np.concatenate(steps)


def ridge(lam, counts, zeta, sizes):
    """kt at every node, each by its own damped fixed point from far out: slow, and without a branch to lose."""
    out = np.empty_like(zeta)
    for i, node in enumerate(zeta):
        kt = -node
        for _ in range(200000):
            df1 = (counts * lam / (lam + kt)).sum()
            new = -node + kt * (1.0 - np.prod([1.0 - df1 / n for n in sizes]))
            done = abs(new - kt) < 1e-15 * abs(kt)
            kt = 0.5 * (kt + new)
            if done:
                break
        out[i] = kt
    return out


def newton_ridge(lam, counts, zeta, sizes):
    """The same by Newton's method from node to node: what one would write for speed."""
    out = np.empty_like(zeta)
    m = -1.0 / zeta[0]
    for i, node in enumerate(zeta):
        for _ in range(60):
            share = counts * lam / (1.0 + lam * m)
            factors = [1.0 - m * share.sum() / n for n in sizes]
            slope = (share / (1.0 + lam * m)).sum()
            rest = [np.prod([f for j, f in enumerate(factors) if j != i]) / n for i, n in enumerate(sizes)]
            change = (np.prod(factors) + node * m) / (slope * sum(rest) - node)
            m = m + change
            if abs(change) < 1e-13 * abs(m):
                break
        out[i] = 1.0 / m
    return out


def width_measure(lam, power, counts, width, per_efold=10, solve=ridge):
    """Nodes, weights of the target's measure, of the trace, and the floor."""
    high = 3.0 * (lam[0] + (counts * lam).sum() / width)
    zeta, step = path(0.5 * edge(lam, counts, [width]), high, per_efold)
    kappa = solve(lam, counts, zeta, [width])
    resolvent = -np.array([(power * lam / (lam + k)).sum() for k in kappa])
    kappa0 = root(lam, counts, width)
    scale = step / (1j * np.pi)
    return zeta, resolvent * scale, -width / kappa * scale, (power * kappa0 / (lam + kappa0)).sum()


class FiniteWidthAndSamples:
    """Both finite: R1 with the width's own floor taken off."""

    def __init__(self, lam, power, counts, width, samples, noise, per_efold=10, solve=ridge):
        high = 3.0 * (lam[0] + (counts * lam).sum() * (1.0 / width + 1.0 / samples))
        zeta, step = path(0.5 * edge(lam, counts, [width, samples]), high, per_efold)
        kt = solve(lam, counts, zeta, [width, samples])
        kn = root(lam, counts, width)
        self.floor = (power * kn / (lam + kn)).sum()
        self.variance = self.floor + noise
        coefficient = step / (2j * np.pi)
        every = [kt, kt.conj()]
        self.null = samples < width
        if self.null:
            every.append(np.array([root(lam, counts, samples)], complex))
        kt_all = np.concatenate(every)
        df1 = np.array([(counts * lam / (lam + k)).sum() for k in kt_all])
        kappa = kt_all * (1.0 - df1 / width)
        r1 = np.array([(power * lam * (1.0 / (lam + kn) - 1.0 / (lam + k))).sum() for k in kt_all]) / kappa
        n = zeta.size
        self.nodes = zeta
        driven = -zeta * r1[:n] + self.variance / samples * kappa[:n] * width / kt
        self.weights = step * driven / (1j * np.pi)
        self.noise = step * self.variance * kappa[:n] / (1j * np.pi)
        self.coefficient = np.concatenate(
            [coefficient * kappa[:n] / zeta, (coefficient * kappa[:n] / zeta).conj(), kappa[2 * n :]]
        )
        self.q = self._pairs(lam, power, counts, (kt_all, kappa, df1, r1), width, samples)

    @staticmethod
    def _pairs(lam, power, counts, along, width, samples):
        kt, kappa, df1, r1 = along
        shares = lam / (lam + kt[:, None])
        inner = 1.0 / (1.0 - (shares**2 @ counts) / width)
        slope, df1_slope = -inner * (shares**2 @ (power / lam)), -inner * (shares**2 @ (counts / lam))
        same = np.eye(kt.size, dtype=bool)
        apart = np.where(same, 1.0, kappa[:, None] - kappa)
        s2 = np.where(same, (slope + r1) / kappa, (r1 - r1[:, None]) / apart)
        shared = kappa * df1
        df2 = np.where(same, df1 + kappa * df1_slope, (shared[:, None] - shared) / apart)
        return s2 / (1.0 - df2 / samples)

    def loss(self, y):
        """Loss of the states y, (n, nodes)."""
        out = []
        for state in y:
            h = 1.0 - self.nodes * state
            v = self.coefficient * np.concatenate([h, h.conj(), np.ones(int(self.null))])
            out.append(self.floor + (v @ self.q @ v).real + (self.noise @ state**2).real)
        return np.array(out)


class FiniteSamples:
    """Infinite width: sums over modes instead of differences."""

    def __init__(self, lam, power, counts, samples, noise, per_efold=10):
        high = 3.0 * (lam[0] + (counts * lam).sum() / samples)
        zeta, step = path(0.5 * edge(lam, counts, [samples]), high, per_efold)
        kappa = ridge(lam, counts, zeta, [samples])
        df1 = np.array([(counts * lam / (lam + k)).sum() for k in kappa])
        resolvent = np.array([(power / (lam + k)).sum() for k in kappa])
        self.nodes, self.noise = zeta, step * noise * kappa / (1j * np.pi)
        self.weights = step * (-zeta * resolvent - noise / samples * df1) / (1j * np.pi)
        kappa0 = root(lam, counts, samples)
        every = np.concatenate([kappa, kappa.conj(), [kappa0]])
        coefficient = step / (2j * np.pi) * kappa / zeta
        self.coefficient = np.concatenate([coefficient, coefficient.conj(), [kappa0]])
        shares = 1.0 / (lam + every[:, None])
        df2 = (shares * counts * lam**2) @ shares.T
        self.q = ((shares * power) @ shares.T) / (1.0 - df2 / samples)

    def loss(self, y):
        """Loss of the states y, (n, nodes)."""
        out = []
        for state in y:
            h = 1.0 - self.nodes * state
            v = self.coefficient * np.concatenate([h, h.conj(), [1.0]])
            out.append((v @ self.q @ v).real + (self.noise @ state**2).real)
        return np.array(out)


def static_loss(lam, power, counts, width, samples, noise):
    """Loss of least squares, without the labels' noise: what all flows tend to. width or samples may be inf."""
    if min(width, samples) >= counts.sum():  # ordinary least squares with all modes
        return noise / (samples / counts.sum() - 1.0)
    g = root(lam, counts, min(width, samples))
    x = g / (lam + g)
    z, q = (counts * (1.0 - x)).sum(), (counts * (1.0 - x) ** 2).sum()
    if np.isinf(samples):
        return (power * x).sum()
    if np.isinf(width):
        return ((power * x**2).sum() + noise) / (1.0 - q / samples) - noise
    signal = (power * (x - (width - z) / (width - q) * x * (1.0 - x))).sum()
    return (signal + noise) / (1.0 - (q * (width - 2.0 * z) + z**2) / (samples * (width - q))) - noise
