"""Ridge regression on random features: the loss that so many samples and so many features leave.

Source: docs/theory/scaling_laws.md section 14.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array, ArrayLike, Flags
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import no_numbers, real, shown
from ode_sgd.core.keywords import own_keywords
from ode_sgd.scaling_laws import degrees_of_freedom as degrees
from ode_sgd.scaling_laws.kernels import random_features as kernels
from ode_sgd.scaling_laws.power_law_task import PowerLawTask
from ode_sgd.scaling_laws.regression_curve import RegressionCurve, theory_curve
from ode_sgd.scaling_laws.simulated_regressions import simulated

MOST = 1e100  # samples or features, beyond which nobody counts
TOLERATED = 1e-7  # of the effective ridge, relative to it: what the search for it may leave
SIZES = f"0, or numbers from {check.SMALLEST:g} to {check.LARGEST:g}"


@own_keywords
@dataclass(frozen=True, slots=True)
class RandomFeatures:
    """Regression of a task on features Phi psi, Phi (features, modes) with entries N(0, 1 / features).

    The weights are argmin_theta sum_samples (y - theta . Phi psi)^2 + ridge |theta|^2; without a ridge least squares,
    and with fewer samples than features the shortest theta that fits them.

    Parameters
    ----------
    task : PowerLawTask

    Notes
    -----
    Source: Bahri, Dyer, Kaplan, Lee & Sharma, PNAS 121, e2311878121 (2024); Simon et al., arXiv:2110.03922.
    Equation: (14.1).

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> model = sl.RandomFeatures(sl.PowerLawTask(capacity=1.5, source=0.5, modes=1000))
    >>> round(float(model.loss(samples=40, features=160)), 6)
    0.242296
    """

    task: PowerLawTask

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        check.instance("task", self.task, PowerLawTask)

    @check.underflow_is_zero
    def loss(
        self,
        *,
        samples: ArrayLike | None = None,
        features: ArrayLike | None = None,
        ridge: ArrayLike = 0.0,
        label_noise: ArrayLike = 0.0,
    ) -> Array:
        """Mean loss E (y - f)^2 on new inputs, without a factor 1/2 and without label noise.

        Parameters
        ----------
        samples, features : array_like or None
            D and P, numbers from 0 to 1e100; None or inf is infinitely many.
        ridge : array_like
            0, or from 1e-50 to 1e50: that of the sum over samples, in units of the eigenvalues.
        label_noise : array_like
            Its standard deviation, 0 or from 1e-50 to 1e50, in units of the target.

        Returns
        -------
        ndarray
            Of the shape that all four broadcast to.

        Raises
        ------
        InvalidProblem
            For numbers outside their ranges, shapes that do not broadcast, and at the interpolation peak: without a
            ridge the loss diverges where samples and features are equally many, and with label noise also where samples
            are as many as the modes, all of which the features span; and for a ridge that is lost in rounding beside as
            many samples or features as modes.

        Notes
        -----
        Asymptotic: the mean over draws is above it by about 1 / min(D, P), relative to itself.

        With A = 1 - z / D, B = 1 - z / P, z = df1(g) and q = df2(g, g) it is evaluated as a ratio of sums of positive
        terms, which equals that of the page:

        L = (B sum tp x^2 + (z - q) / P sum tp x + sigma^2 / D (q B + z (z - q) / P)) / (A B + (z - q) (B / D + A / P)).

        A and B themselves are those of A B = ridge / (D kappa) and A - B = z (1 / P - 1 / D), so that next to the peak
        the loss is good to 1e-6 of itself however small the ridge. Where all M modes are fitted it is
        sigma^2 M / (D - M).

        Equation: (14.3).
        """
        given, shape = _given(samples, features, ridge, label_noise)
        modes = degrees.modes(self.task)
        few = np.minimum(given.samples, given.features)
        self._refuse_peak(given, modes)
        result = np.full(few.size, self.task.initial_loss)
        bare = (given.ridge == 0.0) | np.isinf(given.samples)  # a ridge of the sum over infinitely many samples is none
        whole = bare & (few >= modes.least)
        result[whole] = _loss_of_noise(given.only(whole), modes.number)
        partly = (few > 0.0) & ~whole
        part = given.only(partly)
        kappa = self._kappa(part, bare[partly])
        result[partly] = _mean_loss(self._sums(kappa), part, kappa, bare[partly])
        return result.reshape(shape)

    def curve(
        self,
        *,
        samples: ArrayLike | None = None,
        features: ArrayLike | None = None,
        ridge: float = 0.0,
        label_noise: float = 0.0,
    ) -> RegressionCurve:
        """The loss along the samples at a fixed number of features, or along the features at fixed samples.

        Parameters
        ----------
        samples, features : array_like or int or None
            One of them increasing whole numbers, shape (n,); the other a whole number, or None for infinitely many.
        ridge, label_noise : float
            As for `loss`.

        Returns
        -------
        RegressionCurve
            A run whose time is the one that increases, 0 put first if it is not: a student that has learned nothing.
        """
        return theory_curve(self.task, self.loss, samples, features, ridge, label_noise)

    def simulate(
        self,
        *,
        samples: ArrayLike | None = None,
        features: ArrayLike | None = None,
        ridge: float = 0.0,
        label_noise: float = 0.0,
        replicas: int = 8,
        seed: int = 0,
        threads: int | None = None,
        progress: Callable[[float], None] | None = None,
        checkpoint: Any = None,
    ) -> RegressionCurve:
        """Trained regressions on drawn features and samples, with their exact loss on new inputs.

        Parameters
        ----------
        samples, features, ridge, label_noise
            As for `curve`. A replica's fits along the curve share its draws: of more samples the first are those of
            fewer.
        replicas : int
            >= 1: draws of features, samples and noise.
        seed : int
            >= 0. The numbers depend on it alone, not on threads or on which points the curve has.
        threads : int or None
            That fit replicas side by side; None is as many as the process may use.
        progress : callable or None
            Called with the fraction of the work done.
        checkpoint : ode_sgd.Checkpoint or None
            Written every minute, after an interruption (Ctrl-C or, in the main thread, SIGTERM or SIGHUP) and at the
            end; a run of the same arguments goes on from it, and ends with the numbers of an undisturbed run bit for
            bit.

        Returns
        -------
        RegressionCurve

        Raises
        ------
        InvalidProblem
            Also where the task has more modes than can be drawn, and for a checkpoint of another run.
        """
        given, said = (samples, features, ridge, label_noise), progress or (lambda fraction: None)
        return simulated(self.task, given, replicas, seed, threads, said, checkpoint)

    def _kappa(self, given: "_Given", bare: Flags) -> Array:
        """The effective ridge of every entry; `bare` are those without a ridge. Equation: (14.2)."""
        kappa = np.empty(bare.size)
        if not bare.all():
            samples, features = given.samples[~bare], given.features[~bare]
            kappa[~bare] = degrees.ridge_root(self.task, given.ridge[~bare] / samples, samples, features)
        if bare.any():
            kappa[bare] = degrees.root(self.task, np.minimum(given.samples, given.features)[bare])
        return kappa

    def _sums(self, kappa: Array) -> Array:
        """df1, df2, df1 - df2, sum tp x and sum tp x^2 at every kappa, each distinct one summed once: (5, n)."""
        distinct, places = np.unique(kappa, return_inverse=True)
        task, sums = self.task, np.empty((5, distinct.size))
        kernels.sums_at(task.eigenvalues, task.multiplicities, task.teacher_power, distinct, sums)
        return sums[:, places]

    def _refuse_peak(self, given: "_Given", modes: degrees.Modes) -> None:
        """Raise where the loss diverges: at samples = features, and with noise at samples = modes."""
        spanned = given.features >= modes.least  # by the features, all modes are
        alike = (given.samples == given.features) & (given.samples > 0.0) & ~spanned
        every = spanned & (given.label_noise > 0.0) & (given.samples >= modes.least) & (given.samples <= modes.most)
        peak = (given.ridge == 0.0) & (alike | every)
        if peak.any():
            which, rank = ("features", given.samples[peak][0]) if alike[peak][0] else ("modes", modes.number)
            step = max(1.0, 10.0 * degrees.ROUNDING * rank)
            raise InvalidProblem(
                f"samples = {which} = {rank:.17g} without a ridge is the interpolation peak, where the loss diverges; "
                f"give a ridge > 0, or perturb one of them by {'one' if step == 1.0 else f'{step:g}'}: samples = "
                f"{rank - step:.17g} or {rank + step:.17g}"
            )


class _Given(NamedTuple):
    """What `loss` is given, flat and of one length; infinite where it was None."""

    samples: Array
    features: Array
    ridge: Array
    label_noise: Array

    def only(self, wanted: Flags) -> "_Given":
        """Some of the entries."""
        return _Given(*(values[wanted] for values in self))


def _given(samples: Any, features: Any, ridge: Any, label_noise: Any) -> tuple[_Given, tuple[int, ...]]:
    """Checked and broadcast, and the shape of the result."""
    values = {
        "samples": _numbers("samples", np.inf if samples is None else samples, infinite=True),
        "features": _numbers("features", np.inf if features is None else features, infinite=True),
        "ridge": _numbers("ridge", ridge),
        "label_noise": _numbers("label_noise", label_noise),
    }
    try:
        every = np.broadcast_arrays(*values.values())
    except ValueError:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in values.items())
        raise InvalidProblem(f"shapes do not broadcast: {shapes}; give arrays of one shape, or numbers") from None
    flat = (np.ascontiguousarray(value).ravel() for value in every)
    return _Given(*flat), every[0].shape


def _numbers(name: str, value: Any, *, infinite: bool = False) -> Array:
    """Real numbers >= 0 of any shape."""
    check.refuse_masked(name, value)
    given: NDArray[Any] | None = real(value)
    if given is None:
        raise InvalidProblem(f"{name} = {shown(value)} is no array of real numbers ({no_numbers(value)})")
    result = np.asarray(given, np.float64) + 0.0
    most, told = (MOST, "numbers from 0 to 1e+100, or None for infinitely many") if infinite else (check.LARGEST, SIZES)
    fits = (result >= 0.0) & (result <= most)
    fits |= (result == np.inf) if infinite else False
    fits &= infinite | (result == 0.0) | (result >= check.SMALLEST)
    if not fits.all():
        raise InvalidProblem(f"{name} = {result[~fits][0]:g} is outside its range; give {told}")
    return result


def _loss_of_noise(given: _Given, modes: float) -> Array:
    """Where all modes are fitted, sigma^2 M / (D - M): only the noise is left, and nothing without it."""
    noise = given.label_noise**2 * modes
    return np.divide(noise, given.samples - modes, out=np.zeros_like(noise), where=noise > 0.0)


def _refuse_rounding(held: _Given, z: Array, fall: Array, slope: Array) -> None:
    """Raise where a rounding of df1 moves kappa by more than 1e-7: as many samples or features as modes.

    slope = 1 / (A D) + 1 / (B P) is that of -log(A B) in df1; fall is that of -df1 in log kappa.
    """
    lost = float(np.finfo(np.float64).eps) * z * slope > TOLERATED * (1.0 + fall * slope)
    if lost.any():
        told = f"samples = {held.samples[lost][0]:g}, features = {held.features[lost][0]:g}"
        raise InvalidProblem(
            f"ridge = {held.ridge[lost][0]:g} is too small for {told}: one of them is the number of modes, next to "
            "which such a ridge is lost in rounding; give a larger ridge, or another number"
        )


def _mean_loss(sums: Array, given: _Given, kappa: Array, bare: Flags) -> Array:
    """The ratio of sums of `RandomFeatures.loss`."""
    z, q, fall, once, twice = sums
    u, v = 1.0 / given.samples, 1.0 / given.features
    product, apart = np.zeros_like(kappa), z * (v - u)
    product[~bare] = given.ridge[~bare] * u[~bare] / kappa[~bare]
    larger = 0.5 * (np.abs(apart) + np.sqrt(apart**2 + 4.0 * product))
    smaller = product / larger
    a, b = np.where(apart > 0.0, larger, smaller), np.where(apart > 0.0, smaller, larger)
    _refuse_rounding(given.only(~bare), z[~bare], fall[~bare], u[~bare] / a[~bare] + v[~bare] / b[~bare])
    left = b * twice + v * fall * once + given.label_noise**2 * u * (q * b + v * z * fall)
    return np.asarray(left / (product + fall * (u * b + v * a)))
