"""The printed table."""

from dataclasses import replace

import numpy as np

import ode_sgd
from ode_sgd.analysis.report import table


def test_table_holds_both_columns_and_the_verdict(pair):
    ode, sgd = pair
    agreement = ode_sgd.compare(ode, sgd)
    text = table(ode, sgd, agreement)
    assert "eps_g (ODE)" in text and "eps_g (SGD)" in text
    assert f"{ode.generalization_error[-1]:.6e}" in text
    assert f"{sgd.generalization_error.mean(axis=0)[-1]:.6e}" in text
    assert text.endswith(agreement.verdict)


def test_an_unfinished_run_is_named(pair):
    text = table(replace(pair[0], status="diverged", message="too fast"))
    assert "DIVERGED: too fast" in text and "SGD" not in text


def test_simulation_alone(pair):
    assert "eps_g (ODE)" not in table(None, pair[1])


def test_values_below_the_resolution_are_printed_as_a_bound(pair):
    """At 4e-77, where the resolution is 2e-50, and at an exact zero there is nothing but the bound to print."""
    ode, sgd = pair
    vanishing = np.geomspace(1.0, 4e-77, ode.alpha.size)
    vanishing[-1] = 0.0
    below = replace(ode, generalization_error=vanishing, resolution=2e-50)
    simulated = replace(sgd, generalization_error=np.tile(vanishing, (sgd.replicas, 1)), resolution=3e-28)
    last = table(below, simulated).splitlines()[-1].split()
    assert last[1:] == ["<", "2.0e-50", "<", "3.0e-28", "-"]
    assert "< " not in table(ode, sgd)
