"""The search for stays: its shortcuts change nothing."""

import numpy as np
import pytest

from ode_sgd.analysis import stays
from ode_sgd.analysis.stays import find_stays


def curves(kind):
    """ln of decays, steps and walks over random times."""
    rng = np.random.default_rng(kind)
    for _ in range(20):
        alpha = np.unique(np.append(0.0, rng.uniform(0.0, 1e3, int(rng.integers(10, 400)))))
        steps = sum(rng.uniform(0.01, 1.0) / (1.0 + np.exp((alpha - t) * 0.05)) for t in rng.uniform(0.0, 1e3, 4))
        walk = np.cumsum(rng.normal(0.0, 0.05, alpha.size)) - alpha / 300.0
        noise = rng.normal(0.0, 0.01, alpha.size)
        yield alpha, (-alpha / rng.uniform(1.0, 500.0), np.log(steps + 1e-7), walk, np.log(steps + 1e-7) + noise)[kind]


@pytest.mark.parametrize("kind", range(4))
def test_slopes_that_are_passed_over_quickly_hold_no_stay(kind, monkeypatch, record_property):
    """Once with the fastest moment that comes after, once as if it were infinitely fast: then all are looked at."""
    looks, original = [0], stays._fastest_fall

    def fall(*arguments):
        looks[0] += 1
        return original(*arguments)

    monkeypatch.setattr(stays, "_fastest_fall", fall)
    quick = [find_stays(*curve) for curve in curves(kind)]
    few, looks[0] = looks[0], 0

    class Slow(stays._Search):
        def __init__(self, alpha, curve):
            super().__init__(alpha, curve)
            self._fastest = [np.inf] * alpha.size

    monkeypatch.setattr(stays, "_Search", Slow)
    assert quick == [find_stays(*curve) for curve in curves(kind)]
    record_property("measured", f"{few} of {looks[0]} falls looked at, {sum(map(len, quick))} stays")
    assert few < looks[0]
