"""Colours of the page in a dark scheme; in a light one they are Bokeh's own.

Bokeh's widgets and figures each have a shadow root, which the page's style does not reach, but take their colours from
variables: so each is given the same sheet.
"""

from typing import Any

from bokeh.models import CustomJSTransform, InlineStyleSheet

MIDDLE = "#767676"  # of lines beside the curves: seen on both grounds
GROUND, RAISED, INK, EDGE, QUIET = "#14171b", "#23272d", "#e6e6e6", "#5a616b", "#a8adb5"
PALE, STRONG = "#2d3238", "#ff9d96"  # lines of a grid, and what is wrong

_VALUES = {
    "color": INK,
    "background-color": RAISED,
    "hover-color": PALE,
    "surface-background-color": PALE,
    "border-color": EDGE,
    "divider-color": EDGE,
    "icon-color": QUIET,
    "placeholder-color": QUIET,
    "default": RAISED,
    "default-border": EDGE,
    "default-hover": PALE,
    "default-active": PALE,
    "bk-background-fill-color": GROUND,
    "bk-border-fill-color": GROUND,
    "bk-outline-line-color": EDGE,
    "bk-axis-label-text-color": INK,
    "bk-major-label-text-color": INK,
    "bk-label-text-color": INK,
    "bk-text-color": INK,
    "bk-axis-line-color": QUIET,
    "bk-major-tick-line-color": QUIET,
    "bk-minor-tick-line-color": QUIET,
    "bk-grid-line-color": PALE,
}
_SET = " ".join(f"--{name}: {value};" for name, value in _VALUES.items())
_ARROW = (  # of a box to choose from: Bokeh's with another ink
    'data:image/svg+xml;utf8,<svg viewBox="0 0 25 20" xmlns="http://www.w3.org/2000/svg">'
    f'<path d="M 0,0 25,0 12.5,20 Z" fill="%23{QUIET[1:]}"/></svg>'
)
CSS = f"""
@media (prefers-color-scheme: dark) {{
  :host {{ {_SET} color: {INK}; }}
  .bk-btn, .bk-input, option {{ color: {INK}; background-color: {RAISED}; }}
  p.bad {{ color: {STRONG}; }}
  select.bk-input:not([multiple], [size]) {{ background-image: url('{_ARROW}'); }}
  .noUi-target {{ background: {PALE}; border-color: {EDGE}; box-shadow: none; }}
}}
"""


def in_scheme(models: list[Any]) -> None:
    """Have widgets and figures follow the browser's scheme."""
    sheet = InlineStyleSheet(css=CSS)
    for model in models:
        model.stylesheets = [*model.stylesheets, sheet]


SEEN = f"""
if (!matchMedia('(prefers-color-scheme: dark)').matches) return xs
return Array.from(xs, one => one == '#000000' ? '{INK}' : one)
"""


def seen() -> Any:
    """Turns a column of colours into those that are seen on the ground of the browser's scheme."""
    return CustomJSTransform(v_func=SEEN)
