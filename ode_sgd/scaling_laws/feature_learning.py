"""A two-layer linear network that learns features: gradient flow, SGD and explicit simulation of one model."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ode_sgd.core import check
from ode_sgd.core.arrays import ArrayLike
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.observable import Parameters
from ode_sgd.scaling_laws import flow, sgd, simulation
from ode_sgd.scaling_laws.feature_strength import strength
from ode_sgd.scaling_laws.loss_curve import LossCurve
from ode_sgd.scaling_laws.power_law_task import PowerLawTask
from ode_sgd.scaling_laws.spectral_measure import SpectralMeasure
from ode_sgd.storage.checkpoint import Checkpoint


@own_keywords
@dataclass(frozen=True, eq=False)
class FeatureLearning:
    """A student f = w . A psi / width whose two layers learn the task's target y by gradient descent.

    With v = w* - A^T w / width, psi ~ N(0, Lambda) and g = <psi (y - f)> over the inputs of a step, a step is
    w <- w + eta A g and A <- A + eta gamma w (A0^T A0 g / width)^T, from w = 0 and A = A0 of entries N(0, 1); the time
    of gradient flow is eta times the steps.

    Parameters
    ----------
    task : PowerLawTask
        Spectrum and target.
    gamma : float
        Strength of feature learning, from 0 (lazy: only the second layer learns) to 100.
    width : int or None
        Hidden units, at least 1 and fewer than the task has modes; None is infinitely many.
    samples : int or None
        Size of the fixed data set on which gradient flow runs; None is an endless stream of fresh data.
    label_noise : float
        Standard deviation of Gaussian noise on the labels, 0 or from 1e-50 to 1e50. It is not part of the loss.

    Raises
    ------
    InvalidProblem
        For a value outside its range, and where the loss diverges: as many samples as hidden units, or as modes.

    Notes
    -----
    Sources: Bordelon, Atanasov & Pehlevan, "How feature learning can improve neural scaling laws", ICLR 2025;
    docs/theory/scaling_laws.md section 12. The prefactor of gamma is a convention, stated above.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> model = sl.FeatureLearning(sl.PowerLawTask(modes=1000), gamma=1.0)
    >>> model.flow([1.0, 100.0]).loss.round(4).tolist()
    [0.7002, 0.028]
    """

    task: PowerLawTask
    gamma: float = 0.0
    width: int | None = None
    samples: int | None = None
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        check.instance("task", self.task, PowerLawTask)
        clean: dict[str, Any] = {"gamma": strength(self.gamma)}
        for name in ("width", "samples"):
            given = getattr(self, name)
            clean[name] = None if given is None else check.whole(name, given, 1)
        clean["label_noise"] = check.size("label_noise", self.label_noise, zero=True)
        for name, value in clean.items():
            object.__setattr__(self, name, value)
        self._check_sizes()

    def _check_sizes(self) -> None:
        width, samples, modes = self.width, self.samples, self.task.modes
        if width is not None and width >= modes:
            raise InvalidProblem(
                f"width = {width}, but the task has {modes} modes; give fewer, or leave it out for infinitely "
                "many, or run `flow` on the measure of an instance, SpectralMeasure.instance"
            )
        peak = {width: "the width", modes if width is None else None: "the number of modes"}
        if samples is not None and samples in peak:
            raise InvalidProblem(
                f"samples = {samples} is {peak[samples]}: there the loss late in training diverges (the interpolation "
                f"peak); perturb it by one: give {samples + 1}{f' or {samples - 1}' if samples > 1 else ''}"
            )

    @property
    def canonical(self) -> dict[str, Any]:
        """What defines the model, in plain values."""
        return {
            "task": dict(self.task.definition),
            "gamma": self.gamma,
            "width": self.width,
            "samples": self.samples,
            "label_noise": self.label_noise,
        }

    @property
    def identity(self) -> str:
        """SHA-256 of what defines the model, 64 hexadecimal digits."""
        return Parameters(self.canonical).identity

    @cached_property
    def measure(self) -> SpectralMeasure:
        """Spectral measure of the student on an endless stream of data."""
        if self.width is None:
            return SpectralMeasure.infinite(self.task)
        return SpectralMeasure.asymptotic(self.task, self.width)

    def flow(self, times: ArrayLike, *, measure: SpectralMeasure | None = None) -> LossCurve:
        """Loss along gradient flow.

        Parameters
        ----------
        times : array_like, shape (n,)
            Increasing, >= 0.
        measure : SpectralMeasure or None
            Where it is to run on one instance: SpectralMeasure.instance(task, width, seed). None is the model's own:
            exact at infinite width and endless data, else for width and samples that tend to infinity.

        Returns
        -------
        LossCurve
            method "exact flow" or "asymptotic flow". Relative error of the integration at most 1e-5 where the loss
            exceeds 1e-3, and 1e-4 below, down to the curve's resolution, up to tau = int a dt = 3 / lambda_M. Later all
            modes are learned and the loss falls as exp(-2 lambda_M tau), with an error of at most 1e-3 up to
            10 / lambda_M, which goes on growing. Error of c at most 1e-3 / t up to 3 / lambda_M.

        Raises
        ------
        InvalidProblem
            If times do not increase or are negative, or a measure is given to a model with finite samples, or is of
            another task or width.

        Notes
        -----
        Source: docs/theory/scaling_laws.md sections 12.2 and, for finite width and samples, 12.3.

        Examples
        --------
        >>> from ode_sgd import scaling_laws as sl
        >>> task = sl.PowerLawTask(modes=1000)
        >>> model = sl.FeatureLearning(task, width=64, samples=128, label_noise=0.1)
        >>> model.flow([1.0, 10.0, 100.0]).loss.round(3).tolist()
        [0.879, 0.336, 0.211]
        """
        return flow.run(self, times, measure)

    def sgd(
        self,
        steps: ArrayLike,
        *,
        learning_rate: float,
        batch_size: int | None = 1,
        measure: SpectralMeasure | None = None,
    ) -> LossCurve:
        """Loss along one-pass SGD: mean over data, at infinite width exact for gamma = 0.

        Parameters
        ----------
        steps : array_like of int, shape (n,)
            Increasing, >= 0: the loss before step n.
        learning_rate : float
            eta > 0, dimensionless, below the bound of stability.
        batch_size : int or None
            Fresh samples a step, >= 1; None is the mean over all inputs.
        measure : SpectralMeasure or None
            Where it is to run on one instance, as for `flow`.

        Returns
        -------
        LossCurve
            With `steps`, and time = learning_rate * steps. method "exact recursion" at gamma = 0 and infinite width or
            on one instance, "asymptotic recursion" at finite width, "closure recursion" with gamma > 0. Where a grows
            until eta a reaches the bound of stability, the curve ends there, with the status "diverged".

        Raises
        ------
        InvalidProblem
            With finite samples, for values outside their ranges, and where the learning rate is unstable from the
            beginning, or before the first two steps that are asked for.

        Warns
        -----
        UserWarning
            With gamma > 0 where eta a lambda_1 exceeds 0.12: the closure leaves out what is no longer small. And where
            the steps become unstable on the way, with the step.

        Notes
        -----
        Equations: (12.12) to (12.15) of docs/theory/scaling_laws.md.

        Examples
        --------
        >>> from ode_sgd import scaling_laws as sl
        >>> model = sl.FeatureLearning(sl.PowerLawTask(modes=1000))
        >>> model.sgd([10, 100, 1000], learning_rate=0.1, batch_size=4).loss.round(4).tolist()
        [0.8519, 0.2642, 0.0786]
        """
        return sgd.recursion(self, steps, learning_rate, batch_size, measure)

    def simulate(
        self,
        steps: ArrayLike,
        *,
        learning_rate: float,
        batch_size: int | None = 1,
        replicas: int = 1,
        seed: int,
        threads: int | None = None,
        progress: Callable[[float], None] | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> LossCurve:
        """Train explicit networks.

        Parameters
        ----------
        steps : array_like of int, shape (n,)
            Increasing, >= 0: the loss before step n.
        learning_rate : float
            eta > 0, dimensionless.
        batch_size : int or None
            Fresh samples a step, >= 1; None is the mean over all inputs. Of finite samples every step takes all, and
            more than one here is refused.
        replicas : int
            Networks, each with features and data of its own.
        seed : int
            The same seed gives the same bits on any number of threads.
        threads : int or None
            None is as many as there are processors.
        progress, checkpoint
            As those of `ode_sgd.simulate`.

        Returns
        -------
        LossCurve
            With a leading replica axis; method "simulated networks".

        Raises
        ------
        InvalidProblem
            For values outside their ranges, more than 4096 modes, or a checkpoint that holds another run.

        Notes
        -----
        Source: docs/theory/scaling_laws.md section 12.1.

        Examples
        --------
        >>> from ode_sgd import scaling_laws as sl
        >>> model = sl.FeatureLearning(sl.PowerLawTask(modes=100), gamma=1.0)
        >>> model.simulate([0, 10, 100], learning_rate=0.1, replicas=4, seed=0).loss.shape
        (4, 3)
        """
        return simulation.simulate(
            self,
            steps,
            learning_rate=learning_rate,
            batch_size=batch_size,
            replicas=replicas,
            seed=seed,
            threads=threads,
            progress=progress,
            checkpoint=checkpoint,
        )
