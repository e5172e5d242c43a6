"""SGD on the rows of a data matrix: against plain NumPy, against Gaussian inputs, and what data are refused."""

import warnings

import numpy as np
import pytest
from scipy import stats

from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, simulate
from ode_sgd.core.inputs import decomposed
from ode_sgd.core.kernels.random_lanes import fill_normals, fill_uniforms, seed_lanes
from ode_sgd.teacher_student.model.starts import weights_with_overlaps
from tests.reference import sgd

TIMES = np.array([0.0, 1.0, 5.0, 20.0])


def skewed(samples=60, features=6):
    """Far from Gaussian, correlated, columns of different strength."""
    generator = np.random.default_rng(0)
    mixed = generator.exponential(size=(samples, features)) @ generator.standard_normal((features, features))
    return 3.0 + mixed * np.geomspace(1.0, 0.2, features)


def problem_of(X, **changes):
    values = {"spectrum": Spectrum.from_data(X), "student_units": 2, "teacher_units": 2, "learning_rate": 0.4}
    return Problem(**values | changes)


def run(X, one=None, alpha=TIMES, **changes):
    one = one or problem_of(X)
    start = OrderParameters.random(one, one.spectrum.distinct, 0.5, seed=1)
    return simulate(one, start, alpha, **{"inputs": X, "replicas": 2, "seed": 4, **changes})


# --- what it does ---------------------------------------------------------------------------------------------------


def test_rows_are_the_data_centred_turned_and_scaled():
    X = skewed()
    found = decomposed(X)
    principal, rows = found.principal, found.rows
    values = principal.values
    centred = X - X.mean(axis=0)
    scale = (centred**2).sum() / X.size
    np.testing.assert_allclose(rows.T @ rows / len(X), np.diag(values), atol=1e-13)
    np.testing.assert_allclose(rows @ rows.T, centred @ centred.T / scale, atol=1e-12)
    assert values.mean() == pytest.approx(1.0, rel=1e-14)
    assert (np.diff(values) < 0.0).all()


def drawn(sequence, rows, steps, label_noise):
    """The rows that a replica sees, and its label noise: a number for the row, then the noise's."""
    state = seed_lanes(sequence, 1)
    inputs, noises, uniform, normals = [], [], np.empty((1, 1)), np.empty((2, 1))
    for _ in range(steps):
        fill_uniforms(state, uniform)
        inputs.append(rows[int(uniform[0, 0] * len(rows))])
        if label_noise > 0.0:
            fill_normals(state, normals)
        else:
            fill_uniforms(state, uniform)  # a number that nothing is done with
        noises.append(label_noise * normals[0, 0] if label_noise > 0.0 else 0.0)
    return np.array(inputs), np.array(noises)


@pytest.mark.parametrize("activation", ["erf", "linear"])
@pytest.mark.parametrize("changes", [{}, {"label_noise": 0.3}, {"trainable": 4}], ids=["quiet", "noisy", "four learn"])
def test_against_the_twin(activation, changes):
    """The whole replica, from its seed: start, row numbers, label noise, update, overlaps."""
    X = skewed()
    one = problem_of(
        X,
        activation=activation,
        learning_rate=0.1,
        student_weights=[1.0, -0.7],
        teacher_weights=[0.8, 0.5],
        **changes,
    )
    start, sizes, steps = OrderParameters.random(one, 6, 0.5, seed=1), np.ones(6, int), (6, 30, 120)
    result = run(X, one, sectors=True)
    assert (result.method, result.dimension, result.status) == ("sampled", 6, "complete")
    for child, q, r in zip(np.random.SeedSequence(4).spawn(2), result.sectors.q, result.sectors.r, strict=True):
        _, frames, _, _, noise = child.spawn(5)
        weights = weights_with_overlaps(start.gram, sizes, np.random.default_rng(frames))
        J, B, done = weights[:2], weights[2:], 0
        inputs, noises = drawn(noise, decomposed(X).rows, steps[-1], one.label_noise)
        for step, q_then, r_then in zip(steps, q[1:], r[1:], strict=True):
            part, done = slice(done, step), step
            J = sgd.run(J, B, inputs[part], noises[part], one.v, one.u, 0.1, activation, one.trainable)
            c = sgd.overlaps(J, B, sizes)
            # 120 steps of order-one numbers whose sums run in another order.
            np.testing.assert_allclose(q_then, c[:, :2, :2], rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(r_then, c[:, :2, 2:], rtol=1e-12, atol=1e-12)


def test_every_row_is_drawn_equally_often():
    """A chi-square of the row numbers, by the kernel's own formula."""
    uniform = np.empty((60_000, 1))
    fill_uniforms(seed_lanes(np.random.SeedSequence(7), 1), uniform)
    counts = np.bincount((uniform[:, 0] * 60).astype(int), minlength=60)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_gaussian_data_give_the_law_of_gaussian_inputs(record_property):
    """200,000 Gaussian rows, of which a replica sees 400: nothing tells them from fresh ones."""
    X = np.random.default_rng(1).standard_normal((200_000, 20)) * np.geomspace(1.0, 0.3, 20)
    one = problem_of(X, label_noise=0.1)
    start = OrderParameters.random(one, 20, 0.5, seed=1)
    options = {"replicas": 300, "moments": (0, 1, 2)}
    data = simulate(one, start, TIMES, inputs=X, seed=2, **options)
    fresh = simulate(one, start, TIMES, dimension=20, method="explicit", seed=3, **options)
    ours, theirs = (
        np.concatenate([part[:, 1:].reshape(300, -1) for part in (run.generalization_error, run.Q, run.R)], axis=1)
        for run in (data, fresh)
    )
    # Relative error of a ratio of two standard deviations: sqrt((kurtosis - 1) / (4 n) * 2), 0.06 to 0.1 here.
    np.testing.assert_allclose(ours.std(axis=0, ddof=1) / theirs.std(axis=0, ddof=1), 1.0, atol=0.4)
    # The z-scores are few and correlated: the law of their root mean square is that under exchange of the replicas.
    pooled, rng = np.concatenate([ours, theirs]), np.random.default_rng(0)

    def rms_z(order):
        first, second = pooled[order[:300]], pooled[order[300:]]
        spread = np.sqrt((first.var(axis=0, ddof=1) + second.var(axis=0, ddof=1)) / 300)
        return np.sqrt(np.mean(((first.mean(axis=0) - second.mean(axis=0)) / spread) ** 2))

    measured = rms_z(np.arange(600))
    p = np.mean([rms_z(rng.permutation(600)) >= measured for _ in range(4000)])
    record_property("measured", f"rms z = {measured:.2f}, p = {p:.3f} under exchange of the replicas")
    assert p > 1e-3
    for n in (1, 2, 3):
        pair = data.generalization_error[:, n], fresh.generalization_error[:, n]
        assert stats.ks_2samp(*pair).pvalue > 1e-3


def test_threads_and_replicas_change_nothing():
    X = skewed()
    whole = run(X, replicas=5, threads=1)
    np.testing.assert_array_equal(run(X, replicas=5, threads=3).Q, whole.Q)
    np.testing.assert_array_equal(run(X, replicas=2).Q, whole.Q[:2])


def test_the_dimension_may_be_named():
    X = skewed()
    np.testing.assert_array_equal(run(X, dimension=6).Q, run(X).Q)


def test_constant_columns_are_dropped_with_a_warning():
    X = skewed()
    wider = np.insert(X, [2, 5], [[7.0, 0.1]], axis=1)
    one = problem_of(X)
    with pytest.warns(UserWarning, match=r"dropped 2 of 8 columns of inputs without variance: 2, 6") as caught:
        result = run(wider, one)
    assert len(caught) == 1
    np.testing.assert_array_equal(result.Q, run(X, one).Q)


# --- data that are refused ------------------------------------------------------------------------------------------


def spoiled(value):
    X = skewed()
    X[3, 2] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (spoiled(np.nan), r"inputs\b.*finite"),
        (spoiled(np.inf), r"inputs\b.*finite"),
        (skewed()[:, 0], r"inputs has shape \(60,\).*\(samples, features\)"),
        (skewed()[None], r"inputs has shape \(1, 60, 6\).*\(samples, features\)"),
        (np.full((60, 6), 2.0), "none of the 6 columns of inputs varies"),
        (skewed()[:1], "inputs has 1 sample; give at least 2"),
        (skewed()[:5], "inputs have 5 rows for 6 columns that vary; give at least as many rows"),
        (skewed()[:, :5], r"the inputs' spectrum is not the problem's; make it with Spectrum\.from_data\(inputs\)"),
        ("digits", "inputs is not an array"),
    ],
    ids=["NaN", "infinite", "1-d", "3-d", "constant", "one row", "few rows", "other spectrum", "text"],
)
def test_bad_data(X, message):
    with pytest.raises(InvalidProblem, match=message):
        run(X, problem_of(skewed()))


def test_fewer_rows_than_columns_that_vary():
    """Constant columns do not count: 6 rows are enough for 6 others."""
    one = problem_of(skewed())
    with warnings.catch_warnings(), pytest.raises(InvalidProblem, match="inputs have 5 rows for 6 columns that vary"):
        warnings.simplefilter("ignore")
        run(np.insert(skewed()[:5], 2, 7.0, axis=1), one)
    X = skewed(6)
    with pytest.warns(UserWarning, match="dropped 1 of 7"):
        assert run(np.insert(X, 2, 7.0, axis=1), problem_of(X)).status == "complete"


def test_a_spectrum_that_is_nearly_the_data_s():
    X, one = skewed(), problem_of(skewed())
    values = one.spectrum.eigenvalues * np.where(np.arange(6) == 2, 1.001, 1.0)
    with pytest.raises(InvalidProblem, match="the inputs' spectrum is not the problem's"):
        run(X, problem_of(X, spectrum=Spectrum(values, one.spectrum.weights)))
    assert run(7.0 * X[:, ::-1] - 2.0, one).status == "complete"  # units, offsets and order of columns are free


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dimension": 12}, "dimension = 12, but inputs have 6 columns that vary; leave it out"),
        ({"method": "explicit"}, "method = 'explicit' with inputs; leave it out"),
        ({"method": "reduced"}, "method = 'reduced' with inputs; leave it out"),
        ({"method": "sampled"}, "method = 'sampled' does not exist"),
    ],
)
def test_bad_options(changes, message):
    with pytest.raises(InvalidProblem, match=message):
        run(skewed(), **changes)


def test_sectors_of_another_order_are_another_spectrum():
    """Data of rank 4 in 6 columns: the weights belong to their eigenvalues, not only the eigenvalues to the data."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((50, 4)) @ rng.standard_normal((4, 6))
    with pytest.warns(UserWarning, match="of 6 eigenvalues, set 2 to 0"):
        spectrum = Spectrum.from_data(X)
    assert spectrum.distinct == 5 and spectrum.weights[-1] == pytest.approx(2 / 6)
    rolled = Problem(
        spectrum=Spectrum(spectrum.eigenvalues, np.roll(spectrum.weights, 1)),
        student_units=1,
        teacher_units=1,
        learning_rate=0.1,
    )
    with pytest.raises(InvalidProblem, match="spectrum is not the problem's"):
        simulate(rolled, OrderParameters.random(rolled, 6, 0.3, seed=0), 1.0, seed=0, inputs=X)
