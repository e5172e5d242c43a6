"""How values show themselves in a notebook: by a function that draws, named by its place, since it lies above them."""

import importlib
from typing import Any

WRITER = "ode_sgd.notebook:html_of"  # loaded when a notebook asks, with matplotlib


def html(value: Any) -> str:
    """The value as HTML, with a small figure where it has one."""
    module, _, name = WRITER.partition(":")
    return str(getattr(importlib.import_module(module), name)(value))
