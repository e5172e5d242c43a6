"""Everything the package raises on purpose. Each message says what was given, what is allowed and what to do next."""

from typing import Any


class OdeSgdError(Exception):
    """Base of the package's errors.

    Examples
    --------
    >>> try:
    ...     ode_sgd.Spectrum([1.0], [0.5])
    ... except ode_sgd.OdeSgdError as error:
    ...     print(type(error).__name__)
    InvalidProblem
    """


class ProcessorError(OdeSgdError, ValueError):
    """A kind of processor that does not exist, or that is not this one's.

    Examples
    --------
    >>> issubclass(ode_sgd.ProcessorError, ValueError)
    True
    """


class InvalidProblem(OdeSgdError, ValueError):
    """A spectrum, problem or option outside its range.

    Examples
    --------
    >>> try:
    ...     ode_sgd.Spectrum.power_law(4, beta=-1.0)
    ... except ode_sgd.InvalidProblem as error:
    ...     print(error)
    beta = -1.0 is outside its range; give a finite number > 0
    """


class UnknownKeyword(OdeSgdError, TypeError):
    """A keyword that a function or class does not have: a TypeError, as Python's own, that names what was meant.

    Examples
    --------
    >>> try:
    ...     ode_sgd.integrate(problem, start, 1.0, replicas=8)
    ... except ode_sgd.UnknownKeyword as error:
    ...     print(error)
    integrate has no keyword 'replicas'; give it to simulate(replicas=...)
    """


class InvalidStart(OdeSgdError, ValueError):
    """Order parameters that no weights can have, or that do not fit the problem.

    Examples
    --------
    >>> try:
    ...     ode_sgd.OrderParameters([[[1.0]]], [[[2.0]]], [[[1.0]]])
    ... except ode_sgd.InvalidStart as error:
    ...     print(type(error).__name__)
    InvalidStart
    """


class ComparisonError(OdeSgdError, ValueError):
    """Two trajectories that cannot be laid on top of each other.

    Examples
    --------
    >>> try:
    ...     ode_sgd.compare(ode_sgd.integrate(problem, start, 1.0), sgd)
    ... except ode_sgd.ComparisonError as error:
    ...     print(type(error).__name__)
    ComparisonError
    """


class AnalysisError(OdeSgdError, ValueError):
    """A trajectory, or a window of it, that cannot answer what it is asked.

    Examples
    --------
    >>> try:
    ...     ode_sgd.fit_power_law(ode, window=(1e5, 1e6))
    ... except ode_sgd.AnalysisError as error:
    ...     print(type(error).__name__)
    AnalysisError
    """


class StudyError(OdeSgdError, ValueError):
    """A study file with faults; `faults` lists all of them, one line each.

    Examples
    --------
    >>> try:
    ...     ode_sgd.Sweep(study, {"problem.learning_rte": [0.1]})
    ... except ode_sgd.StudyError as error:
    ...     print(len(error.faults))
    1
    """

    def __init__(self, source: str, faults: list[str]) -> None:
        self.source, self.faults = source, list(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{source}: {count}\n" + "\n".join(f"  {fault}" for fault in faults))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made of what it was made of, not of its message."""
        return type(self), (self.source, self.faults), vars(self)


class StorageError(OdeSgdError, OSError):
    """A file that cannot be written, or is not one of ours.

    Examples
    --------
    >>> try:
    ...     ode_sgd.load("nothing.h5")
    ... except ode_sgd.StorageError as error:
    ...     print(type(error).__name__)
    StorageError
    """


class ExplorerError(OdeSgdError, OSError):
    """The explorer cannot be served: its port is taken, or what it needs is not installed.

    Examples
    --------
    >>> issubclass(ode_sgd.ExplorerError, OSError)
    True
    """
