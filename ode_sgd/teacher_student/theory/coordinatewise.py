"""What follows from the equations of coordinatewise rules: how far their bases are apart, floors and rates."""

from dataclasses import dataclass, replace
from math import pi, sqrt

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.model.optimizers.adaptive import BASES
from ode_sgd.teacher_student.model.optimizers.coordinatewise import Adam, SignSGD
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.floors.pairing_of_weights import specialised


@own_keywords
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoordinateBases:
    """A coordinatewise rule in the eigenbasis over the same in a random rotation of it.

    Attributes
    ----------
    rate_ratios : (L,)
        Of the rates at which sectors learn, sqrt(mu_1 / lambda_k).
    noise_ratios : (L,)
        Of the noise in every sector.
    floor_ratio : float
        Of the error that noise leaves at small learning rates, sum_k w_k sqrt(lambda_k) / sqrt(mu_1), at most 1.

    Examples
    --------
    >>> import dataclasses
    >>> adam = dataclasses.replace(problem, optimizer=ode_sgd.optimizers.Adam(second_moment_rate=1.0))
    >>> ode_sgd.theory.coordinate_bases(adam).rate_ratios.round(2).tolist()
    [0.6, 1.19, 1.79, 2.39]
    """

    rate_ratios: Array
    noise_ratios: Array
    floor_ratio: float

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)


@own_keywords
def coordinate_bases(problem: Problem) -> CoordinateBases:
    """How far the two bases of a coordinatewise rule are apart: the same for every state and time.

    Parameters
    ----------
    problem : Problem
        With `optimizers.SignSGD` or `optimizers.Adam`, in either basis.

    Raises
    ------
    InvalidProblem
        For other optimisers, and spectra with an eigenvalue 0.

    Notes
    -----
    Slow sectors are faster in the eigenbasis, and fast ones slower: rates are in the ratio of sqrt(lambda_k) and not of
    lambda_k. Equation: (25.13).

    Examples
    --------
    >>> import dataclasses
    >>> signs = dataclasses.replace(problem, optimizer=ode_sgd.optimizers.SignSGD())
    >>> round(ode_sgd.theory.coordinate_bases(signs).floor_ratio, 4)
    0.873
    """
    optimizer = _coordinatewise(problem)
    spectrum, variance = problem.spectrum, float(problem.spectrum.powers(1).sum())
    eigenvalues = spectrum.eigenvalues
    own, other = (replace(optimizer, basis=basis).factors(1.0, eigenvalues, variance) for basis in BASES)
    return CoordinateBases(
        rate_ratios=own[0] / other[0],
        noise_ratios=own[1] / other[1],
        floor_ratio=float(spectrum.weights @ np.sqrt(eigenvalues)) / sqrt(variance),
    )


@own_keywords
def sign_sgd_floor(problem: Problem) -> float:
    """eps_g of linear units under sign-SGD for alpha -> infinity; there is no learning rate at which it diverges.

    Parameters
    ----------
    problem : Problem
        With `optimizers.SignSGD`, a linear activation, and no weight decay; all sectors learn.

    Raises
    ------
    InvalidProblem
        For others.

    Notes
    -----
    Equation: (25.14).

    Examples
    --------
    >>> signs = ode_sgd.Problem(
    ...     spectrum=spectrum, student_units=1, teacher_units=1, activation="linear", learning_rate=0.1,
    ...     optimizer=ode_sgd.optimizers.SignSGD())
    >>> round(ode_sgd.theory.sign_sgd_floor(signs), 6)
    0.000105
    """
    optimizer = _coordinatewise(problem)
    if not isinstance(optimizer, SignSGD) or not problem.g.is_linear:
        raise InvalidProblem(
            f"optimizer = {optimizer} with activation = {problem.g.text!r} has no closed form here; give "
            'optimizers.SignSGD and activation = "linear", or integrate the ODE'
        )
    _require_rest(problem, "the floor of sign-SGD is that")
    spectrum = problem.spectrum
    root = float(spectrum.weights @ np.sqrt(spectrum.eigenvalues))
    if optimizer.rotates:
        root = sqrt(float(spectrum.powers(1).sum()))
    c = fixed(problem.learning_rate) * float(np.abs(problem.v).sum()) * pi / 4.0 * root
    return 0.25 * (c * c + c * sqrt(c * c + 4.0 * fixed(problem.label_noise) ** 2))


@own_keywords
def adam_rates(problem: Problem) -> Array:
    """Effective learning rates (L, K) of Adam once it has come to rest at small learning rates: those of SGD there.

    Students are at teachers of norm one, one each, so that the noise of the labels is all that is left of gradients.

    Parameters
    ----------
    problem : Problem
        With `optimizers.Adam`, label noise, K = M and, unless it is linear, the same second layers up to order; no
        weight decay, a teacher with the students' activation, and sectors that all learn.

    Raises
    ------
    InvalidProblem
        For others.

    Notes
    -----
    Equation: (25.15).

    Examples
    --------
    >>> import dataclasses
    >>> adam = dataclasses.replace(noisy, optimizer=ode_sgd.optimizers.Adam(second_moment_rate=1.0), learning_rate=0.01)
    >>> ode_sgd.theory.adam_rates(adam).round(3)[:, 0].tolist()
    [0.098, 0.197, 0.295, 0.394]
    """
    optimizer, noise, K = _coordinatewise(problem), fixed(problem.label_noise), problem.student_units
    if not isinstance(optimizer, Adam) or noise == 0.0 or problem.teacher_units != K:
        raise InvalidProblem(
            f"optimizer = {optimizer}, label_noise = {noise:g}, student_units = {K} and teacher_units = "
            f"{problem.teacher_units}: rates are those of Adam on noisy labels with as many students as teachers"
        )
    _require_rest(problem, "rates of Adam at rest are those")
    if not problem.teacher_like_student:
        raise InvalidProblem(
            f"teacher_activation = {str(problem.g_teacher)!r} with activation = {str(problem.g_student)!r}: no student "
            "becomes its teacher, at which rates of Adam are known; integrate the ODE"
        )
    if not problem.g.is_linear:
        specialised(problem)  # which raises where a student finds no teacher
    C, A, G = np.tile(np.eye(K), (2, 2)), np.empty((K, 2 * K)), np.empty((K, K))
    coefficient_kernels(problem.g).coefficients(C, np.concatenate([problem.v, -problem.v]), noise**2, A, G)
    eigenvalues, variance = problem.spectrum.eigenvalues, float(problem.spectrum.powers(1).sum())
    rates = optimizer.factors(fixed(problem.learning_rate), eigenvalues, variance)[0] / eigenvalues
    return rates[:, None] / np.sqrt(np.diagonal(G))


def _require_rest(problem: Problem, what: str) -> None:
    """Raise InvalidProblem unless students can come to rest at their teachers in all sectors."""
    if problem.weight_decay or problem.trainable not in (None, problem.spectrum.distinct):
        raise InvalidProblem(
            f"weight_decay = {problem.weight_decay:g}, trainable = {problem.trainable}: {what} without weight_decay, "
            "of sectors that all learn"
        )


def _coordinatewise(problem: Problem) -> SignSGD | Adam:
    check.instance("problem", problem, Problem)
    optimizer = problem.optimizer
    if not isinstance(optimizer, SignSGD | Adam):
        raise InvalidProblem(f"optimizer = {optimizer}: give a problem with optimizers.SignSGD or optimizers.Adam")
    if not problem.spectrum.eigenvalues.min() > 0.0:
        raise InvalidProblem("the spectrum has an eigenvalue 0, whose sector does not learn; leave it out")
    return optimizer
