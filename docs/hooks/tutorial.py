"""MkDocs hook: the Python of the tutorial is run before the pages are built; a block that fails, fails the build.

Blocks share their names, in an empty folder, and what a block prints must be what the page shows, up to last digits.
With PAGES_WITHOUT_TUTORIAL in the environment nothing is run: the tests do, by themselves.
"""

import contextlib
import io
import math
import os
import re
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

TUTORIAL = "tutorial.md"
NOT_RUN = "PAGES_WITHOUT_TUTORIAL"
DIGITS = 0.02  # relative: sums of random numbers that another processor rounds differently, as tests/test_readme.py
_BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_run: list[str] = []  # texts of the tutorial that ran, so that a server does not run one again


def on_pre_build(config: Any, **_: Any) -> None:
    """Run the tutorial."""
    text = (Path(config.docs_dir) / TUTORIAL).read_text(encoding="utf-8")
    if text not in _run and not os.environ.get(NOT_RUN):
        run(text)
        _run.append(text)


def run(text: str) -> None:
    """Run all blocks of a page, and compare what they print with what it shows."""
    names: dict[str, Any] = {"__name__": "tutorial"}
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for found in _BLOCK.finditer(text):
            line = text[: found.start()].count("\n") + 1
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), warnings.catch_warnings():
                warnings.simplefilter("error")
                exec(compile("\n" * line + found[1], TUTORIAL, "exec"), names)
            if found[2] and not alike(printed.getvalue(), found[2]):
                raise ValueError(
                    f"{TUTORIAL}, line {line}: the page shows\n{found[2]}\nwhere the block prints\n{printed.getvalue()}"
                )
    print(f"The Python of {TUTORIAL} ran in {time.perf_counter() - begun:.0f} s")


def alike(printed: str, shown: str) -> bool:
    """Whether two texts are the same but for last digits."""
    pairs = zip(_NUMBER.findall(printed), _NUMBER.findall(shown), strict=False)
    return _NUMBER.split(printed) == _NUMBER.split(shown) and all(
        math.isclose(float(one), float(other), rel_tol=DIGITS, abs_tol=1e-12) for one, other in pairs
    )
