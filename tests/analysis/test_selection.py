"""What a column of many runs stands for, in words."""

import numpy as np

from ode_sgd.analysis.selection import Selection


def of(codes, words):
    """The first word says that the number is there."""
    codes = np.array(codes)
    return Selection(name="plateau_length", has=codes == 0, codes=codes, words=words)


def test_a_sentence_counts_and_gives_the_reasons_the_most_frequent_first():
    some = of([0] * 6 + [2] * 20 + [1] * 170 + [3] * 4, ("found", "too_short", "slope", "not_left"))
    assert some.sentence == "plateau_length: 6 of 200 runs; 170 too short, 20 slope, 4 not left"
    assert not some.whole


def test_nothing_is_said_of_reasons_where_all_have_it():
    all_of_them = of([0, 0], ("found", "slope"))
    assert all_of_them.sentence == "plateau_length: 2 of 2 runs" and all_of_them.plain


def test_kinds_of_runs_that_have_it_are_told_apart():
    codes = np.array([0, 1, 1, 2])
    some = Selection(name="error_ratio", has=codes < 2, codes=codes, words=("agree", "undecided", "not_compared"))
    assert some.sentence == "error_ratio: 3 of 4 runs (2 undecided, 1 agree); 1 not compared"
    some = Selection(name="error_ratio", has=codes < 3, codes=codes, words=("agree", "undecided", "disagree"))
    assert some.whole and not some.plain
