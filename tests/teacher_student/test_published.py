"""Trajectories of two published codes, extrapolated to zero step (sidecar JSON: origin, conventions, accuracy)."""

import json
from pathlib import Path

import numpy as np
import pytest

from ode_sgd import OrderParameters, Problem, Spectrum, integrate

DATA = Path(__file__).parents[1] / "data"
# The files themselves are good to about 5e-11 ("accuracy" in the JSON); 1e-8 is what the package promises.
PROMISE = 1e-8


@pytest.fixture(params=["c_nn2pp_erf_K3M3_T", "d2_deepgen_erf_K2M2_4eig_fixed"])
def published(request):
    """(table, problem, start) of one file."""
    table = np.genfromtxt(DATA / f"{request.param}.csv", delimiter=",", names=True)
    facts = json.loads((DATA / f"{request.param}.json").read_text())
    K, M = facts["K"], facts["M"]
    if "per_group" in facts:
        covariance = facts["covariance"]
        spectrum = Spectrum(covariance["eigenvalues"], covariance["weights"])
        overlaps = [facts["per_group"][name] for name in ("q0", "r0", "t0")]
    else:
        spectrum = Spectrum.isotropic()
        overlaps = [[facts[name]] for name in ("Q0", "R0", "T")]
    problem = Problem(
        spectrum=spectrum,
        student_units=K,
        teacher_units=M,
        learning_rate=facts["eta"],
        label_noise=facts["sigma"],
        student_weights=[table[f"v_{i}"][0] for i in range(K)],
        teacher_weights=[table[f"A_{n}"][0] for n in range(M)],
    )
    return table, problem, OrderParameters(*overlaps)


def test_against_the_published_trajectory(published, record_property):
    table, problem, start = published
    run = integrate(problem, start, table["t"], rtol=1e-11)
    deviations = {"eps_g": np.abs(run.generalization_error - table["eg"]).max()}
    K, M = problem.student_units, problem.teacher_units
    deviations["Q"] = max(np.abs(run.Q[:, i, j] - table[f"Q_{i}{j}"]).max() for i in range(K) for j in range(i, K))
    deviations["R"] = max(np.abs(run.R[:, i, n] - table[f"R_{i}{n}"]).max() for i in range(K) for n in range(M))
    text = ", ".join(f"{name} {value:.1e}" for name, value in deviations.items())
    record_property("measured", f"largest deviation: {text}")
    assert len(run.alpha) == len(table)
    assert max(deviations.values()) < PROMISE, text


def test_the_published_start_is_understood(published):
    """A check of the conventions alone: overlaps and error at t = 0."""
    table, problem, start = published
    Q, R, _ = start.moments(problem.spectrum, 1)
    assert Q[0, 1] == pytest.approx(table["Q_01"][0], rel=1e-13)
    assert R[1, 0] == pytest.approx(table["R_10"][0], rel=1e-13)
    assert start.generalization_error(problem) == pytest.approx(table["eg"][0], rel=1e-12)
