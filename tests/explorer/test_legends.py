"""Legends as HTML: for those who see them and for those who hear them."""

import re

import pytest

pytest.importorskip("bokeh", reason="needs the extra explore")

from ode_sgd.explorer.legends import COLOURS, DASHES, Entry, colour, dash, points, shown


def test_names_are_text():
    assert "<b>" not in shown([Entry("<b>", COLOURS[0], "solid")])


def test_nothing_is_no_list():
    assert shown([]) == ""


def test_no_two_curves_look_or_sound_alike():
    numbers = range(len(COLOURS) * len(DASHES))
    samples = [shown([Entry("", colour(number), dash(number))]) for number in numbers]
    spoken = [re.findall('aria-label="(.*?)"', sample)[0] for sample in samples]
    seen = [re.sub('aria-label=".*?"', "", sample) for sample in samples]
    assert len(set(spoken)) == len(set(seen)) == len(numbers)


def test_a_simulation_is_points():
    assert "points, grey" in shown([points("SGD")]) and "<circle" in shown([points("SGD")])
