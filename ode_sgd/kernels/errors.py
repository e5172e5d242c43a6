"""What the kernels' floor raises, and the base of everything that the package raises on purpose."""


class OdeSgdError(Exception):
    """Base of the package's errors."""


class ProcessorError(OdeSgdError, ValueError):
    """A kind of processor that does not exist, or that is not this one's."""
