"""The curves of a run as one message: Bokeh sends every changed source by itself, every array in a frame of its own.

A browser that is sent a panel at a time paints between two of them. So one source holds all that a move changes, and a
script in the page deals it out to the sources of the panels.
"""

from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.explorer.answers import Measured
from ode_sgd.explorer.curves import Curves, subscripted

MOST_POINTS = 250  # of a line in a small panel, some 500 pixels wide: points cost what pixels do
NOWHERE = 1e-300  # where a line lies that is not shown

# `state` has columns of one entry each; what is dealt out is not sent back.
DEAL_OUT = """
const packed = Object.fromEntries(Object.entries(state.data).map(([name, column]) => [name, column[0]]))
if (packed.revision > 0 && packed.lengths.length > 0) {
  const {buffer, byteOffset} = packed.numbers, parts = []
  let begin = 0
  for (const length of packed.lengths) {
    parts.push(new Float64Array(buffer, byteOffset + 8 * begin, length))  // Bokeh's arrays have no parts of their own
    begin += length
  }
  const [x, y, slope_x, slope_y, times, ...values] = parts
  const lines = {x: values.map(() => times), y: values}
  for (const name of ['colour', 'dash', 'label']) lines[name] = packed[name]
  curve.setv({data: {x, y}}, {sync: false})
  slope.setv({data: {x: slope_x, y: slope_y}}, {sync: false})
  components.setv({data: lines}, {sync: false})
  for (const mark of [height, shade]) mark.setv({visible: false}, {sync: false})
  law.setv({data: {x: [], y: []}}, {sync: false})
}
"""
# `marks` as well; they are of the curves that are there, or of others that have gone meanwhile.
MARK = """
const found = Object.fromEntries(Object.entries(marks.data).map(([name, column]) => [name, column[0]]))
if (found.revision > 0 && found.revision == state.data.revision[0]) {
  if (found.height != null) height.setv({location: found.height, visible: true}, {sync: false})
  if (found.shade != null) shade.setv({left: found.shade[0], right: found.shade[1], visible: true}, {sync: false})
  if (found.law != null) law.setv({data: {x: found.law[0], y: found.law[1]}}, {sync: false})
}
"""
# Curves that are dealt out again, as at the end of loading a page, take nothing away that belongs to them.
DEAL_OUT += MARK
UNMARKED: dict[str, list[Any]] = {"revision": [0], "height": [None], "shade": [None], "law": [None]}
NOTHING: dict[str, list[Any]] = {"numbers": [np.zeros(0)], "lengths": [[]], "colour": [[]], "dash": [[]], "label": [[]]}


def marked(found: Measured, revision: int) -> dict[str, list[Any]]:
    """Columns of one entry each, for `MARK`: the plateau, and what theory says of the curves of a revision."""
    height, exponent, window, plateau = *found.theory[:3], found.plateau
    return {
        "revision": [revision],
        "height": [height if height is not None and height > 0.0 else None],
        "shade": [None if plateau is None else [max(plateau.start, NOWHERE), plateau.end]],
        "law": [None if exponent is None or window is None else [list(window), [exponent] * 2]],
    }


def spaced(times: Array) -> Indices:
    """Indices of at most `MOST_POINTS` times that are evenly spaced in their logarithm, both ends among them."""
    if times.size <= MOST_POINTS:
        return np.arange(times.size)
    found = np.searchsorted(np.log(times), np.linspace(np.log(times[0]), np.log(times[-1]), MOST_POINTS))
    return np.unique(np.minimum(found, times.size - 1))


def packed(curves: Curves, colours: list[str], dashes: list[str]) -> dict[str, list[Any]]:
    """Columns of one entry each, for `DEAL_OUT`: the error with all its points, of the small panels what can be seen.

    Components have their times in common.
    """
    lines = list(curves.components.values())
    slopes, many = spaced(curves.exponent[0]), spaced(lines[0][0]) if lines else np.zeros(0, np.int64)
    parts = [*curves.error, *(values[slopes] for values in curves.exponent)]
    parts += [lines[0][0][many] if lines else np.zeros(0), *(values[many] for _, values in lines)]
    return {
        "numbers": [np.concatenate(parts)],
        "lengths": [[part.size for part in parts]],
        "colour": [colours],
        "dash": [dashes],
        "label": [[subscripted(name) for name in curves.components]],
    }
