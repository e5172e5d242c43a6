"""A student and a teacher of one's own on data of one's own, and the error on rows that are held out."""

import numpy as np
import pytest
from scipy.special import erf

import ode_sgd
from ode_sgd import InvalidProblem, InvalidStart, Problem, Spectrum, Weights, integrate, principal_axes, simulate
from tests.reference import sgd
from tests.teacher_student.simulation.test_sampled import TIMES, drawn, skewed


def networks(features=6):
    generator = np.random.default_rng(8)
    return 0.3 * generator.standard_normal((2, features)), generator.standard_normal((2, features))


def setting(X, **changes):
    """Axes, problem and start of a student and a teacher in the columns of X."""
    axes = principal_axes(X)
    values = {"spectrum": axes.spectrum, "student_units": 2, "teacher_units": 2, "learning_rate": 0.1}
    return axes, Problem(**values | changes), Weights.of_data(*networks(), axes)


def plain_error(J, B, rows, activation="erf"):
    """(1/2) (f - h)^2 over rows, by NumPy."""
    g = (lambda x: erf(x / np.sqrt(2.0))) if activation == "erf" else (lambda x: x)
    f, h = (g(rows @ W.T / np.sqrt(rows.shape[1])).sum(axis=1) for W in (J, B))
    return np.mean(0.5 * (f - h) ** 2)


# --- what it does ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["erf", "linear"])
def test_against_plain_sgd_in_the_data_s_own_columns(activation):
    """Nothing is turned here: the replica, from its seed, on the centred rows themselves."""
    X, H = skewed(), skewed(90)[60:]
    axes, one, start = setting(X, activation=activation, label_noise=0.2)
    run = simulate(one, start, TIMES, inputs=X, held_out=H, replicas=2, seed=4, moments=(0, 1))
    own, others = ((rows - X.mean(axis=0)) / axes.scale for rows in (X, H))
    covariance = own.T @ own / len(own)
    for replica, child in enumerate(np.random.SeedSequence(4).spawn(2)):
        J, B = networks()
        inputs, noises = drawn(child.spawn(5)[4], own, 120, 0.2)
        done = 0
        for time, step in enumerate((0, 6, 30, 120)):
            part, done = slice(done, step), step
            J = sgd.run(J, B, inputs[part], noises[part], one.v, one.u, 0.1, activation, None)
            # 120 steps of order-one numbers whose sums run in another order and another basis.
            np.testing.assert_allclose(run.moment(0)[0][replica, time], J @ J.T / 6, rtol=1e-10, atol=1e-11)
            np.testing.assert_allclose(run.R[replica, time], J @ covariance @ B.T / 6, rtol=1e-10, atol=1e-11)
            wanted = plain_error(J, B, others, activation)
            np.testing.assert_allclose(run.held_out_error[replica, time], wanted, rtol=1e-9)
    assert not np.array_equal(run.Q[0, -1], run.Q[1, -1])


def test_without_rows_held_out_the_run_is_the_same():
    X = skewed()
    _, one, start = setting(X)
    with_rows, without = (simulate(one, start, TIMES, inputs=X, held_out=H, seed=0) for H in (X[:7], None))
    np.testing.assert_array_equal(with_rows.Q, without.Q)
    assert without.held_out_error is None and "held_out_error" not in without.observables


def test_the_error_on_gaussian_rows_is_eps_g(record_property):
    """Of a student that has learned for a while, within the standard error of 40,000 rows."""
    generator = np.random.default_rng(1)
    X = generator.standard_normal((20_000, 6)) * np.geomspace(1.0, 0.3, 6)
    H = generator.standard_normal((40_000, 6)) * np.geomspace(1.0, 0.3, 6)
    _, one, start = setting(X)
    run = simulate(one, start, [0.0, 20.0], inputs=X, held_out=H, seed=2)
    ratio = run.held_out_error[0] / run.generalization_error[0]
    record_property("measured", f"held out / eps_g = {ratio}")
    # (f - h)^2 has a kurtosis below 6 here: sqrt(5 / 40000) = 1.1 %; the covariances of the 20,000 rows add
    # sqrt(2 / 20000) = 1 % for each of 6 directions. Four times both.
    np.testing.assert_allclose(ratio, 1.0, atol=0.06)


def test_theory_starts_from_the_overlaps_of_the_weights():
    X = skewed()
    axes, one, start = setting(X)
    run = simulate(one, start, TIMES, inputs=X, replicas=2, seed=0)
    ode = integrate(one, start.overlaps(axes.spectrum), TIMES)
    np.testing.assert_allclose(run.generalization_error[:, 0], ode.generalization_error[0], rtol=1e-12)


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_gaussian_inputs_take_weights_too(method):
    N = 40
    generator = np.random.default_rng(0)
    start = Weights(0.3 * generator.standard_normal((2, N)), generator.standard_normal((2, N)))
    spectrum = Spectrum([1.5, 0.5], [0.5, 0.5])
    one = Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.1)
    run = simulate(one, start, [0.0, 1.0], dimension=N, replicas=3, seed=0, method=method)
    np.testing.assert_allclose(run.R[:, 0], np.tile(start.overlaps(spectrum).moments(spectrum)[1], (3, 1, 1)))
    assert np.ptp(run.R[:, 1], axis=0).min() > 0.0


# --- kept, stored, gone on with -------------------------------------------------------------------------------------


def test_files_and_means_have_it(tmp_path):
    X = skewed()
    _, one, start = setting(X)
    run = simulate(one, start, TIMES, inputs=X, held_out=X[:20], replicas=3, seed=0)
    ode_sgd.save(tmp_path / "run.h5", run)
    again = ode_sgd.load(tmp_path / "run.h5").sgd
    np.testing.assert_array_equal(again.held_out_error, run.held_out_error)
    np.testing.assert_allclose(run.mean().held_out_error, run.held_out_error.mean(axis=0), rtol=1e-14)
    assert run.to_xarray().held_out_error.dims == ("replica", "alpha")


def test_checkpoints_are_of_the_weights_and_of_the_rows(tmp_path):
    X = skewed()
    axes, one, start = setting(X)
    options = {"inputs": X, "replicas": 2, "seed": 0, "checkpoint": ode_sgd.Checkpoint(tmp_path / "run.checkpoint")}
    run = simulate(one, start, TIMES, held_out=X[:20], **options)
    again = simulate(one, start, TIMES, held_out=X[:20], **options)
    np.testing.assert_array_equal(again.held_out_error, run.held_out_error)
    with pytest.raises(InvalidProblem, match="its inputs differ"):
        simulate(one, start, TIMES, held_out=X[:21], **options)
    with pytest.raises(InvalidProblem, match="its start differ"):
        simulate(one, start.overlaps(axes.spectrum), TIMES, held_out=X[:20], **options)


# --- what is refused ------------------------------------------------------------------------------------------------


def test_weights_that_do_not_fit():
    X = skewed()
    _, one, _ = setting(X)
    J, B = networks(7)
    with pytest.raises(InvalidStart, match=r"\(K, M, N\) = \(2, 2, 7\), but the simulation has \(2, 2, 6\)"):
        simulate(one, Weights(J, B), TIMES, inputs=X, seed=0)
    with pytest.raises(InvalidStart, match="give OrderParameters, Weights or a function"):
        simulate(one, (J, B), TIMES, inputs=X, seed=0)


def test_rows_that_do_not_fit():
    X = skewed()
    _, one, start = setting(X)
    holes = X.copy()
    holes[0, 0] = np.nan
    for rows, message in ((X[:, :4], "held_out has 4 columns, but the data have 6"), (holes, "held_out holds nan")):
        with pytest.raises(InvalidProblem, match=message):
            simulate(one, start, TIMES, inputs=X, held_out=rows, seed=0)
    with pytest.raises(InvalidProblem, match="held_out without inputs; give both"):
        simulate(one, start, TIMES, dimension=6, held_out=X, seed=0)
