"""Trajectories: access to moments, means over replicas, and xarray."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from ode_sgd import InvalidProblem, integrate, simulate
from tests.teacher_student.cases import problem, start

ALPHA = [0.0, 0.5, 1.0]


@pytest.fixture(scope="module")
def ode():
    return integrate(problem(), start(problem()), ALPHA, sectors=True)


@pytest.fixture(scope="module")
def sgd():
    return simulate(problem(), start(problem()), ALPHA, dimension=20, replicas=5, seed=1, sectors=True)


def own_starts(replicas):
    return simulate(problem(), lambda seed: start(problem(), seed), ALPHA, dimension=20, replicas=replicas, seed=1)


def arrays_of(run):
    """Every array that has (or had) a replica axis, by name."""
    arrays = {"eps_g": run.generalization_error, "q": run.sectors.q, "r": run.sectors.r}
    for order in run.moments:
        arrays.update({f"{name}{order}": values for name, values in zip("QR", run.moment(order), strict=False)})
    return arrays


def test_mean_and_standard_error(sgd):
    every, mean, error = arrays_of(sgd), arrays_of(sgd.mean()), arrays_of(sgd.standard_error())
    for name, values in every.items():
        assert mean[name].shape == values.shape[1:]
        expected = sum(values) / 5
        np.testing.assert_allclose(mean[name], expected, rtol=1e-13, atol=1e-15, err_msg=name)
        spread = np.sqrt(sum((value - expected) ** 2 for value in values) / 4)
        np.testing.assert_allclose(error[name], spread / np.sqrt(5), rtol=1e-12, atol=1e-15, err_msg=name)
    for reduced in (sgd.mean(), sgd.standard_error()):
        np.testing.assert_array_equal(reduced.alpha, sgd.alpha)
        assert reduced.replicas is None
        assert reduced.final is None


def test_variance(sgd):
    """Unbiased, so the square of the standard error times the replicas."""
    every, variance, error = arrays_of(sgd), arrays_of(sgd.variance()), arrays_of(sgd.standard_error())
    for name, values in every.items():
        expected = sum((value - sum(values) / 5) ** 2 for value in values) / 4
        np.testing.assert_allclose(variance[name], expected, rtol=1e-12, atol=1e-30, err_msg=name)
        np.testing.assert_allclose(variance[name], 5.0 * error[name] ** 2, rtol=1e-12, atol=1e-30, err_msg=name)
    assert sgd.variance().replicas is None
    assert sgd.variance().final is None
    assert (sgd.variance().dimension, sgd.variance().seed) == (20, 1)


def test_variance_of_two_replicas():
    two = simulate(problem(), start(problem()), ALPHA, dimension=20, replicas=2, seed=1)
    np.testing.assert_allclose(two.variance().R, (two.R[0] - two.R[1]) ** 2 / 2.0, rtol=1e-12, atol=1e-30)


def test_a_common_teacher_has_no_spread(sgd):
    np.testing.assert_allclose(sgd.mean().T, sgd.T, rtol=1e-14)
    np.testing.assert_allclose(sgd.mean().sectors.t, sgd.sectors.t, rtol=1e-14)
    np.testing.assert_allclose(sgd.standard_error().T, 0.0, atol=1e-15)
    np.testing.assert_allclose(sgd.variance().T, 0.0, atol=1e-30)


def test_own_teachers_are_averaged_too():
    run = own_starts(4)
    assert run.T.shape == (4, 3, 3)
    np.testing.assert_allclose(run.mean().T, run.T.mean(axis=0), rtol=1e-14)
    assert (run.standard_error().T > 0.0).all()
    np.testing.assert_allclose(run.variance().T, run.T.var(axis=0, ddof=1), rtol=1e-12)


def test_means_need_replicas(ode, sgd):
    for method in (ode.mean, ode.standard_error, ode.variance):
        with pytest.raises(InvalidProblem, match="replica"):
            method()
    single = simulate(problem(), start(problem()), ALPHA, dimension=20, seed=1)
    np.testing.assert_array_equal(single.mean().Q, single.Q[0])
    for method, name in ((single.standard_error, "standard error"), (single.variance, "variance")):
        with pytest.raises(InvalidProblem, match=f"a {name} needs at least 2 replicas; this trajectory has 1"):
            method()


def test_a_moment_that_was_not_kept(ode):
    with pytest.raises(InvalidProblem, match=r"moment 7 was not kept; there are \[0, 1, 2\]; ask for it"):
        ode.moment(7)


def test_frozen(ode):
    with pytest.raises(FrozenInstanceError):
        ode.status = "complete"


def test_to_xarray(ode, sgd):
    pytest.importorskip("xarray")
    for run, lead in ((ode, ()), (sgd, ("replica",))):
        data = run.to_xarray()
        assert data["generalization_error"].dims == (*lead, "alpha")
        assert data["Q_1"].dims == (*lead, "alpha", "student", "student_2")
        assert data["R_0"].dims == (*lead, "alpha", "student", "teacher")
        assert data["T_2"].dims == ("teacher", "teacher_2")
        np.testing.assert_array_equal(data["alpha"], run.alpha)
        np.testing.assert_array_equal(data["R_1"], run.R)
        np.testing.assert_array_equal(data["Q_2"], run.moment(2)[0])
        assert data.attrs["problem"] == run.problem.identity
        assert data.attrs["resolution"] == run.resolution
    assert own_starts(2).to_xarray()["T_1"].dims == ("replica", "teacher", "teacher_2")
