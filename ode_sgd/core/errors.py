"""Everything the package raises on purpose. Each message says what was given, what is allowed and what to do next."""


class OdeSgdError(Exception):
    """Base of the package's errors."""


class ProcessorError(OdeSgdError, ValueError):
    """A kind of processor that does not exist, or that is not this one's."""


class InvalidProblem(OdeSgdError, ValueError):
    """A spectrum, problem or option outside its range."""


class InvalidStart(OdeSgdError, ValueError):
    """Order parameters that no weights can have, or that do not fit the problem."""


class ComparisonError(OdeSgdError, ValueError):
    """Two trajectories that cannot be laid on top of each other."""


class AnalysisError(OdeSgdError, ValueError):
    """A trajectory, or a window of it, that cannot answer what it is asked."""


class StudyError(OdeSgdError, ValueError):
    """A study file with faults; `faults` lists all of them, one line each."""

    def __init__(self, source: str, faults: list[str]) -> None:
        self.source, self.faults = source, list(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{source}: {count}\n" + "\n".join(f"  {fault}" for fault in faults))


class StorageError(OdeSgdError, OSError):
    """A file that cannot be written, or is not one of ours."""
