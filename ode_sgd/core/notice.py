"""Warnings that point to the line of the user's that caused them, however many calls lie between."""

import contextlib
import os
import sys
import warnings
from pathlib import Path

import numpy as np

# Files of the package, and of what its decorators are made of.
PASSED_OVER = (
    f"{Path(__file__).parents[1]}{os.sep}",
    f"{Path(np.__file__).parent}{os.sep}",
    contextlib.__file__,
)


def warn(message: str) -> None:
    """A UserWarning at the nearest line outside the package; at the outermost one, if all are inside.

    Decorators add calls: a fixed number of these would have to be counted anew with each of them.
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PASSED_OVER):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level + 1)
