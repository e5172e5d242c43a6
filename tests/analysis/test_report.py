"""The printed table."""

from dataclasses import replace

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
