"""The search for stays: its shortcuts change nothing."""

import numpy as np
import pytest

from ode_sgd.analysis import plateau_search
from ode_sgd.analysis.plateau_search import find_stays
from tests.reference.plateau_search import PlainSearch


def curves(kind):
    """ln of decays, steps, walks, noisy steps, and flat stretches that last just long enough or just not."""
    rng = np.random.default_rng(0)
    for number in range(12):
        alpha = np.unique(np.append(0.0, rng.uniform(0.0, 1e3, int(rng.integers(10, 300)))))
        steps = sum(rng.uniform(0.01, 1.0) / (1.0 + np.exp((alpha - t) * 0.05)) for t in rng.uniform(0.0, 1e3, 4))
        if kind == "decay":
            yield alpha, -alpha / rng.uniform(1.0, 500.0)
        elif kind == "steps":
            yield alpha, np.log(steps + 1e-7)
        elif kind == "walk":
            yield alpha, np.cumsum(rng.normal(0.0, 0.05, alpha.size)) - alpha / 300.0
        elif kind == "noise":
            yield alpha, np.log(steps + 1e-7) + rng.normal(0.0, 0.01, alpha.size)
        elif kind == "floored":  # as above a floor, from which nothing nearer than 1 % of it is told
            yield alpha, np.log(np.maximum(steps, 0.01))
        elif kind == "rounded":
            yield alpha, np.log(np.round(steps, 2) + 0.01)
        else:  # flat for the time of `ratio` falls by 1.1 / 0.9, of which part of one belongs to the stay
            ratio = plateau_search.PERSISTENCE * (1.0 + 0.004 * (number - 6)) - np.log1p(plateau_search.BAND) / np.log(
                1.1 / 0.9
            )
            fall = 1.0 / np.log(1.1 / 0.9)
            alpha = np.arange(0.0, 30.0, 0.1 + 0.01 * number)
            yield alpha, -np.maximum(0.0, alpha - ratio) / fall


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("decay", False),
        ("steps", True),
        ("walk", True),
        ("noise", True),
        ("floored", True),
        ("rounded", True),
        ("edge", True),
    ],
)
def test_the_plain_search_finds_the_same(kind, some, monkeypatch, record_property):
    looks, original = [0], plateau_search._fastest_fall

    def fall(*arguments):
        looks[0] += 1
        return original(*arguments)

    monkeypatch.setattr(plateau_search, "_fastest_fall", fall)
    quick = [find_stays(*curve) for curve in curves(kind)]
    few, looks[0] = looks[0], 0
    monkeypatch.setattr(plateau_search, "_Search", PlainSearch)
    plain = [find_stays(*curve) for curve in curves(kind)]
    assert quick == plain
    assert any(plain) == some
    assert few < looks[0]
    found = [len(each) for each in plain]
    record_property("measured", f"{kind}: {few} of {looks[0]} falls looked at, stays {min(found)} to {max(found)}")


def test_the_edge_is_on_both_sides():
    found = [bool(find_stays(*curve)) for curve in curves("edge")]
    assert any(found) and not all(found)
