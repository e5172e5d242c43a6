"""Tasks that are given as a spectrum, or as data."""

from typing import Any

import numpy as np

from ode_sgd.core import check, rounding
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.spectrum import Spectrum

SMALLEST, LARGEST = 1e-100, 1e50  # eigenvalues, whose cubes are numbers


def check_smallest(name: str, exponent: float, decades: float, added: float) -> None:
    """Raise where k^-(exponent + added) is too small at the k of so many decades."""
    most = -np.log10(SMALLEST) / decades - added if decades > 0.0 else np.inf
    if exponent > most:
        raise InvalidProblem(
            f"{name} = {exponent:g} makes the eigenvalues fall below {SMALLEST:g} over {decades:.3g} decades, "
            f"where cubes leave the float64 range; give {name} <= {most:.4g}, or fewer modes"
        )


def check_eigenvalues(lam: Array, remedy: str) -> None:
    """Raise for positive eigenvalues out of the range of the package."""
    for value in lam[(lam > 0.0) & ((lam < SMALLEST) | (lam > LARGEST))][:1]:
        raise InvalidProblem(f"an eigenvalue is {value:g}; {remedy} from {SMALLEST:g} to {LARGEST:g}")


def given_spectrum(spectrum: Any, teacher: Any, multiplicities: Any, dimension: Any) -> tuple[Array, Array, Array]:
    """Eigenvalues > 0, decreasing, teacher's power and multiplicities of `PowerLawTask.from_spectrum`."""
    if isinstance(spectrum, Spectrum):
        lam, counts = spectrum.eigenvalues, _of_weights(spectrum, multiplicities, dimension)
    else:
        if dimension is not None:
            raise InvalidProblem(
                f"dimension = {dimension} goes with an ode_sgd.Spectrum, whose weights it turns into numbers of modes; "
                "with eigenvalues give multiplicities"
            )
        lam = check.array("eigenvalues", spectrum, "(n,)", 1)
        counts = np.ones(lam.size) if multiplicities is None else _fitting("multiplicities", multiplicities, lam)
    if (lam < 0.0).any() or not lam.any():
        raise InvalidProblem(f"eigenvalues hold {lam.min():g}; give numbers >= 0, not all of them 0")
    check_eigenvalues(lam, "give 0, or numbers")
    if (counts <= 0.0).any():
        raise InvalidProblem(f"multiplicities hold {counts.min():g}; give numbers > 0, and leave out the other modes")
    power = counts * lam if teacher is None else _fitting("teacher", teacher, lam)
    if (power < 0.0).any():
        raise InvalidProblem(f"teacher holds {power.min():g}; give lambda w^2, which is >= 0")
    unseen = (lam == 0.0) & (power > 0.0)
    if unseen.any():
        raise InvalidProblem(
            f"the teacher has the power {power[unseen][0]:g} where the eigenvalue is 0, and nothing is seen of it; "
            "give 0 there, and that power as label noise"
        )
    order = np.argsort(-lam, kind="stable")
    order = order[lam[order] > 0.0]
    total = float(counts[order].sum())
    if total < 1.0 - 1e-9:  # but for the rounding of parts that are one mode together
        raise InvalidProblem(f"multiplicities sum to {total:g} modes; give at least one in all")
    return lam[order], power[order], counts[order]


def of_data(X: Any, y: Any) -> tuple[Array, Array, float]:
    """Eigenvalues of the covariance, decreasing, power of y along each, and the standard deviation of its rest."""
    inputs, target = check.array("X", X, "(samples, features)", 2), check.array("y", y, "(samples,)", 1)
    samples = len(inputs)
    if target.size != samples:
        raise InvalidProblem(f"X has {samples} samples and y {target.size}; give one target each")
    centred, rest = inputs - inputs.mean(axis=0), target - target.mean()
    if not rest.any():
        raise InvalidProblem("y does not vary; give a target that does")
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    # Of the decomposition, and of the numbers themselves before they were centred.
    level = 4.0 * np.sqrt(max(inputs.shape)) * rounding.precision(X) * np.linalg.norm(inputs, 2)
    seen = singular > level
    if not seen.any():
        raise InvalidProblem(f"none of the {inputs.shape[1]} columns of X varies; give inputs that do")
    if seen.sum() >= samples - 1:
        raise InvalidProblem(
            f"X has {samples} samples in {inputs.shape[1]} features, and every y is linear in so few; give more "
            "samples than features, or fewer features"
        )
    along = left[:, seen].T @ rest
    check_eigenvalues(singular[seen] ** 2 / samples, "scale X, so that they are")
    unexplained = rest - left[:, seen] @ along
    return singular[seen] ** 2 / samples, along**2 / samples, float(np.sqrt(np.mean(unexplained**2)))


def _of_weights(spectrum: Spectrum, multiplicities: Any, dimension: Any) -> Array:
    """Modes of every sector."""
    if multiplicities is not None:
        raise InvalidProblem("multiplicities go with eigenvalues; the weights of a Spectrum say it: give dimension")
    if dimension is None:
        raise InvalidProblem(
            "a Spectrum has shares, not numbers of modes; give dimension, by which they are multiplied"
        )
    return spectrum.sector_dimensions(dimension).astype(np.float64)


def _fitting(name: str, value: Any, lam: Array) -> Array:
    """An array with an entry for each eigenvalue."""
    result = check.array(name, value, "(n,)", 1)
    if result.shape != lam.shape:
        raise InvalidProblem(f"{lam.size} eigenvalues but {result.size} entries of {name}; give one each")
    return result
