"""Trained regressions: features, samples and noise are drawn, the weights fitted, their loss computed exactly.

What a replica draws depends on its seed alone, and its fits use no library that shares work among threads: the numbers
are the same to the last bit on any number of threads.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core import allowance, check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.seeds import Children, generators
from ode_sgd.scaling_laws.kernels import random_features as kernels
from ode_sgd.scaling_laws.least_squares import fitted, normals, product, triangle
from ode_sgd.scaling_laws.power_law_task import PowerLawTask
from ode_sgd.scaling_laws.regression_curve import SAMPLES, Axis

PROJECTION, INPUTS, NOISE = range(3)  # random streams of a replica
SHARE = 0.5  # of the memory that may be used

Given = tuple[Any, Any, Any, Any]  # samples, features, ridge, label noise


class Fits(NamedTuple):
    """What all replicas have in common."""

    task: PowerLawTask
    eigenvalues: Array  # (M,)
    teacher: Array  # (M,): w
    axis: Axis
    ridge: float
    label_noise: float
    seed: int

    def losses(self, replica: int, known: int = 1) -> Iterator[float]:
        """Losses along the curve of one replica, after those of so many points; the first, 0, is not fitted."""
        most = int(self.axis.points[-1])
        samples, features = self.axis.at(most)
        inputs, target = self._data(replica, samples)
        projection = self._projection(replica, features, samples)
        for point in self.axis.points[known:]:
            first, second = self.axis.at(int(point))
            rows = slice(first) if self.axis.name == SAMPLES else slice(None)
            phi = projection if self.axis.name == SAMPLES else self._scaled(projection[:second], samples)
            yield self._loss(phi, inputs[rows], target[rows], 0.0 if first is None else self.ridge)

    def works(self) -> Array:
        """What the fits along the curve cost, beside each other: 0 of the first point, 0; (n,)."""
        modes = float(self.eigenvalues.size)
        pairs = [[modes if n is None else float(n) for n in self.axis.at(int(point))] for point in self.axis.points]
        short, long = np.min(pairs, axis=1), np.max(pairs, axis=1)
        return np.asarray(short * long * (short + modes))

    def _data(self, replica: int, samples: int | None) -> tuple[Array, Array]:
        """Inputs (D, M) and targets (D,). Infinitely many are as good as the modes themselves, each in its strength."""
        scale, M = np.sqrt(self.eigenvalues), self.eigenvalues.size
        if samples is None:
            return np.diag(scale), scale * self.teacher
        inputs = scale * normals(self._stream(replica, INPUTS), samples, M)
        noise = self._stream(replica, NOISE).standard_normal(samples)
        return inputs, product(inputs, self.teacher[None])[:, 0] + self.label_noise * noise

    def _projection(self, replica: int, features: int | None, samples: int | None) -> Array:
        """Phi (P, M), or standard normal where the curve goes along P; infinitely many are the modes: (0, M)."""
        drawn = normals(self._stream(replica, PROJECTION), features or 0, self.eigenvalues.size)
        return self._scaled(drawn, samples) if self.axis.name == SAMPLES and features else drawn

    def _scaled(self, drawn: Array, samples: int | None) -> Array:
        """Phi of standard normal rows (P, M): of variance 1 / P.

        With Phi = Q R, R (M, M), and a theta in the span of Q, Phi and R are one and the same. R stands for Phi where
        otherwise the shortest of many least squares would be wanted.
        """
        phi = drawn / np.sqrt(len(drawn))
        modes = self.eigenvalues.size
        many = samples is None or samples > modes
        return triangle(phi) if len(phi) > modes and many and not self.ridge else phi

    def _stream(self, replica: int, child: int) -> np.random.Generator:
        return generators(Children(self.seed, range(replica, replica + 1), child))[0]

    def _loss(self, phi: Array, inputs: Array, target: Array, ridge: float) -> float:
        """Loss of the fit to these samples: sum_k lambda_k (w_k - (Phi^T theta)_k)^2; without rows Phi is 1."""
        theta = fitted(product(inputs, phi) if len(phi) else inputs, target, ridge)
        learned = np.empty(self.teacher.size)
        if len(phi):
            kernels.combined(phi, theta, learned)
        else:
            learned[:] = theta
        return float(np.sum(self.eigenvalues * (self.teacher - learned) ** 2))


def request(task: PowerLawTask, given: Given, seed: Any) -> Fits:
    """What replicas fit, given samples, features, ridge and label noise as `RandomFeatures.simulate` takes them."""
    axis = Axis.of(*given[:2])
    ridge = check.size("ridge", given[2], zero=True)
    label_noise = check.size("label_noise", given[3], zero=True)
    seed = check.seed(seed)
    if axis.points.size < 2:
        raise InvalidProblem(f"{axis.name} holds 0 alone, and nothing is fitted to that; give larger numbers")
    eigenvalues, power = task.explicit()
    return Fits(task, eigenvalues, np.sqrt(power / eigenvalues), axis, ridge, label_noise, seed)


def check_memory(task: PowerLawTask, samples: Any, features: Any, workers: int) -> None:
    """Raise where inputs, projection and design of all threads exceed the memory."""
    axis = Axis.of(samples, features)
    D, P = (float(task.modes if n is None else n) for n in axis.at(int(axis.points[-1])))
    bytes_needed = 8.0 * workers * (2.0 * D * task.modes + 2.0 * P * task.modes + 3.0 * D * P)
    present = SHARE * allowance.memory()
    if bytes_needed > present:
        raise InvalidProblem(
            f"{D:g} samples and {P:g} features of {task.modes} modes on {workers} threads need "
            f"{bytes_needed / 2**30:.3g} GiB of the {present / 2**30:.3g} that may be used; give a task with fewer "
            "modes, or fewer threads"
        )
