"""Drawing is left to matplotlib, whose failures are many: here they become one error, of one line.

Without matplotlib itself: that it cannot be loaded is one of these failures.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ode_sgd.core.errors import OdeSgdError, StorageError

BACKEND = "MPLBACKEND"  # matplotlib is not to be loaded where it names none
FONTS = "matplotlib.font_manager"
LONGEST = 200  # letters of a reason: LaTeX's is its whole log


@contextmanager
def drawing(figure: str | os.PathLike[str] = "the figure") -> Iterator[None]:
    """Whatever goes wrong in here, from loading matplotlib to the last letter, leaves as StorageError.

    Figures are drawn without a window, so it does not matter which backend the environment names. That a font is
    missing is said once, and not for every letter.
    """
    seen: set[str] = set()

    def unheard(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        new = text not in seen
        seen.add(text)
        return new

    backend = os.environ.get(BACKEND)
    if backend is not None:
        os.environ[BACKEND] = "agg"
    logging.getLogger(FONTS).addFilter(unheard)
    try:
        yield
    except OdeSgdError:
        raise
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        reason = told if len(told) <= LONGEST else f"{told[:LONGEST]} ..."
        raise StorageError(
            f"{os.fspath(figure)}: cannot be drawn ({reason}); look at what matplotlib is set to, such as text.usetex"
        ) from error
    finally:
        logging.getLogger(FONTS).removeFilter(unheard)
        if backend is not None:
            os.environ[BACKEND] = backend
