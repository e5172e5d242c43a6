"""Students of the feature-learning model, drawn one by one, in the basis in which their features are uncorrelated.

With features x = Phi psi = V S xi, xi ~ N(0, I), an orthogonal V leaves gradient descent as it is (both layers turn
with it) and a Gaussian xi is drawn in place of the Gaussian psi: exact in law, and a sample costs the width, not the
modes.
On a fixed data set the same is done with the sums over its samples. Source: docs/theory/scaling_laws.md section 12.1.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.scaling_laws.kernels.simulation import products
from ode_sgd.scaling_laws.whole_modes import every_mode

if TYPE_CHECKING:
    from ode_sgd.scaling_laws.feature_learning import FeatureLearning

ROUNDING = 1e-15  # of squares, relative to the largest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Student:
    """What gradient descent of one student needs, and what turns its weights into a loss.

    Attributes
    ----------
    scale : ndarray, shape (n,)
        S: standard deviation of each feature, of the inputs' law or of the data set.
    target : ndarray, shape (n,)
        Covariance of the labels with each normalised feature.
    noise : float
        Standard deviation of what is noise to it in a fresh label.
    floor : float
        Loss that no student with these features falls below.
    whole_target : ndarray or None, shape (M,)
        sqrt(lambda) w of every mode, where the loss is not that of the data set; None: the loss is the floor and the
        squares of target - S q.
    outputs : ndarray or None, shape (M, n)
        sqrt(lambda) of every mode times its weight in each feature.
    """

    scale: Array
    target: Array
    noise: float
    floor: float
    whole_target: Array | None = None
    outputs: Array | None = None

    def loss(self, q: Array) -> float:
        """Loss E (y - f)^2 of readout weights q, (n,)."""
        if self.whole_target is None or self.outputs is None:
            missing = self.target - self.scale * q
            return float(self.floor + missing @ missing)
        missing = self.whole_target - self.outputs @ q
        return float(missing @ missing)


def draw_student(model: "FeatureLearning", features: np.random.Generator, data: np.random.Generator) -> Student:
    """A student with features, and a data set if there is one, of its own."""
    eigenvalues, power = every_mode(model.task, "FeatureLearning.simulate")
    deviations, target = np.sqrt(eigenvalues), np.sqrt(power)
    if model.width is None:
        if model.samples is not None:
            return _of_data(data, model, deviations, target, None, 0.0)
        return Student(scale=deviations, target=target, noise=model.label_noise, floor=0.0)
    phi = features.standard_normal((model.width, deviations.size)) / np.sqrt(model.width)
    rows = phi * deviations
    scale, along = _principal(rows, target)
    floor = max(0.0, float(target @ target - along @ along))
    if model.samples is not None:
        return _of_data(data, model, deviations, target, rows, floor)
    along = np.abs(along)  # an eigenvector's sign is LAPACK's choice, and the normals of a run are drawn along them
    return Student(scale=scale, target=along, noise=float(np.hypot(np.sqrt(floor), model.label_noise)), floor=floor)


def _products(rows: Array) -> Array:
    """Rows times their transpose, (n, n)."""
    found = np.empty((len(rows), len(rows)))
    products(np.ascontiguousarray(rows), found)
    return found


def _directions(squares: Array) -> tuple[Array, Array]:
    """Square roots (k,) of the eigenvalues of a matrix of products, and its eigenvectors (n, k), without null ones.

    Eigenvalues are right to 1e-16 of the largest. No run is long enough to learn what is smaller.
    """
    values, vectors = np.linalg.eigh(squares)
    kept = values > ROUNDING * values[-1]
    return np.sqrt(values[kept]), vectors[:, kept]


def _principal(rows: Array, target: Array) -> tuple[Array, Array]:
    """Standard deviations S of uncorrelated features, (k,), and the target's share of each, of features (n, M)."""
    both = _products(np.vstack([rows, target]))
    scale, vectors = _directions(both[:-1, :-1])
    return scale, (vectors.T @ both[:-1, -1]) / scale


def _of_data(
    data: np.random.Generator,
    model: "FeatureLearning",
    deviations: Array,
    target: Array,
    features: Array | None,
    floor: float,
) -> Student:
    """The student of a data set: sums over its samples in place of averages, its labels' noise among them.

    Of `features` (N, M), or of the modes themselves; through the smaller of the products of samples and of features.
    """
    samples = model.samples or 0
    normals = data.standard_normal((samples, deviations.size))
    labels = (normals @ target + model.label_noise * data.standard_normal(samples)) / np.sqrt(samples)
    rows = (normals * deviations if features is None else normals @ features.T) / np.sqrt(samples)
    if rows.shape[1] <= samples:
        scale, own = _directions(_products(rows.T))
        share = (own.T @ (rows.T @ labels)) / scale
    else:
        scale, between = _directions(_products(rows))
        own, share = (rows.T @ between) / scale, between.T @ labels
    outputs = deviations[:, None] * own if features is None else features.T @ own
    return Student(scale=scale, target=share, noise=0.0, floor=floor, whole_target=target, outputs=outputs)
