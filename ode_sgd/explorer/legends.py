"""Names of curves above a panel, as HTML: Bokeh's own legends are made anew whenever something is painted."""

import html
from collections.abc import Iterable
from typing import Any, NamedTuple

from bokeh.models import Div, InlineStyleSheet

from ode_sgd.explorer.scheme import CSS, MIDDLE

# Those of the figures, which would bring matplotlib; a test holds them together.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
SPOKEN = ("blue", "vermilion", "green", "pink", "orange", "light blue", "black or, on a dark ground, white", "grey")
DASHES = {"solid": "", "dashed": "6", "dotdash": "2 4 6 4", "dotted": "2 4"}  # name of Bokeh's -> its lengths
MOST_NAMES = 12  # of one kind
LOOKS = """
ul { margin: 0; padding: 2px 8px 0 48px; list-style: none; display: flex; flex-wrap: wrap; column-gap: 1em;
     font-size: 11px; max-height: 3.9em; overflow-y: auto; }
svg { width: 26px; height: 8px; margin-right: 4px; vertical-align: middle; stroke-width: 2; fill: none; }
"""


class Entry(NamedTuple):
    """A curve in a legend; without a dash it is one of points."""

    name: str
    colour: str
    dash: str | None


def colour(number: int) -> str:
    """The colour of a curve; those of later ones come again in other dashes."""
    return COLOURS[number % len(COLOURS)]


def dash(number: int) -> str:
    """The dash of a curve."""
    return list(DASHES)[number // len(COLOURS) % len(DASHES)]


def points(name: str) -> Entry:
    """The entry of a simulation."""
    return Entry(name, MIDDLE, None)


def shown(entries: Iterable[Entry]) -> str:
    """The entries as a list in HTML; their samples have words for those who do not see them."""
    items = "".join(f"<li>{_sample(entry)}{html.escape(entry.name)}</li>" for entry in entries)
    return f"<ul>{items}</ul>" if items else ""


def _sample(entry: Entry) -> str:
    spoken = dict(zip(COLOURS, SPOKEN, strict=True)).get(entry.colour, "grey")
    ink = "currentColor" if entry.colour == "#000000" else entry.colour  # black is no colour on a dark ground
    if entry.dash is None:
        drawn, kind = '<circle cx="13" cy="4" r="3"/>', "points"
    else:
        drawn, kind = f'<path d="M0 4H26" stroke-dasharray="{DASHES[entry.dash]}"/>', f"{entry.dash} line"
    return f'<svg role="img" aria-label="{kind}, {spoken}:" viewBox="0 0 26 8" stroke="{ink}">{drawn}</svg>'


def legend(name: str) -> Any:
    """An empty legend; its text is what `shown` makes."""
    looks = [InlineStyleSheet(css=LOOKS + CSS)]
    return Div(name=name, text="", disable_math=True, sizing_mode="stretch_width", margin=0, stylesheets=looks)
