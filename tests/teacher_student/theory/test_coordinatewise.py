"""Theory of coordinatewise rules against the ODE itself."""

from dataclasses import replace

import numpy as np
import pytest

from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, integrate, optimizers, theory

SPECTRUM = Spectrum([1.8, 0.2], [0.5, 0.5])
LINEAR = Problem(
    spectrum=SPECTRUM,
    student_units=2,
    teacher_units=1,
    activation="linear",
    learning_rate=0.1,
    label_noise=0.3,
    student_weights=[1.0, -0.4],
    optimizer=optimizers.SignSGD(),
)


@pytest.mark.parametrize("basis", ["eigen", "rotated"])
def test_the_floor_of_signs(basis):
    """All sectors, two students of opposite signs."""
    one = replace(LINEAR, optimizer=optimizers.SignSGD(basis=basis))
    start = OrderParameters.random(one, 40, 0.5, seed=0)
    last = integrate(one, start, [0.0, 400.0], method="DOP853", rtol=1e-8).generalization_error[-1]
    assert last == pytest.approx(theory.sign_sgd_floor(one), rel=1e-7)  # that of rtol


def test_the_floors_of_both_bases_have_their_ratio():
    """To an error of order eta."""
    bases = theory.coordinate_bases(LINEAR)
    off = []
    for rate in (1e-3, 5e-4):
        own, other = (
            theory.sign_sgd_floor(replace(LINEAR, learning_rate=rate, optimizer=optimizers.SignSGD(basis=basis)))
            for basis in ("eigen", "rotated")
        )
        off.append(own / other / bases.floor_ratio - 1.0)
    assert bases.floor_ratio == pytest.approx((np.sqrt(1.8) + np.sqrt(0.2)) / 2.0)
    np.testing.assert_allclose(bases.rate_ratios, np.sqrt(1.0 / np.array([1.8, 0.2])))
    assert off[0] / off[1] == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("rule", [optimizers.SignSGD, lambda basis: optimizers.Adam(1.0, basis=basis)])
def test_the_bases_differ_by_their_ratios_from_the_first_step_on(rule):
    """A student of almost no length: its overlaps with the teacher are all drift, and its length is all noise."""
    one = replace(LINEAR, student_units=1, student_weights=None, learning_rate=0.3)
    start = OrderParameters(np.full((2, 1, 1), 1e-14), np.zeros((2, 1, 1)), np.full((2, 1, 1), 1.3))
    ends = []
    for basis in ("eigen", "rotated"):
        of_basis = replace(one, optimizer=rule(basis=basis))
        ends.append(integrate(of_basis, start, [0.0, 1e-6], method="DOP853", rtol=1e-10, atol=1e-16).final)
    bases = theory.coordinate_bases(replace(one, optimizer=rule(basis="rotated")))
    np.testing.assert_allclose((ends[0].r / ends[1].r).ravel(), bases.rate_ratios, rtol=1e-5)  # of order alpha
    np.testing.assert_allclose((ends[0].q / ends[1].q).ravel(), bases.noise_ratios, rtol=1e-5)


def test_floors_of_adam_have_the_same_ratio():
    """To an error of order eta: of half the rate it is half."""
    off = []
    for rate in (4e-3, 2e-3):
        ends = []
        for basis in ("eigen", "rotated"):
            adam = replace(
                LINEAR,
                student_units=1,
                student_weights=None,
                learning_rate=rate,
                optimizer=optimizers.Adam(1.0, basis=basis),
            )
            start = OrderParameters.typical(adam, 0.9)
            ends.append(integrate(adam, start, [0.0, 100.0 / rate], rtol=1e-8).generalization_error[-1])
        off.append(ends[0] / ends[1] / theory.coordinate_bases(adam).floor_ratio - 1.0)
    assert abs(off[0]) < 0.01 and off[0] / off[1] == pytest.approx(2.0, abs=0.1)


def test_adam_at_rest_is_sgd():
    """Its floor is that of SGD at the effective rate, to an error of order eta; one sector has one rate."""
    noisy = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.1, label_noise=0.3)
    start = OrderParameters([0.8 * np.eye(2)], [0.85 * np.eye(2)], [np.eye(2)])
    off = []
    for rate in (2e-3, 1e-3):
        adam = replace(noisy, learning_rate=rate, optimizer=optimizers.Adam(2.0))
        rates = theory.adam_rates(adam)
        assert rates.shape == (1, 2) and rates[0, 0] == pytest.approx(rates[0, 1])
        last = integrate(adam, start, [0.0, 1e5], rtol=1e-8).generalization_error[-1]
        plain = replace(noisy, learning_rate=float(rates[0, 0]))
        begin = integrate(plain, start, [0.0, 1e5], rtol=1e-8).generalization_error[-1]
        off.append(last / begin - 1.0)
    assert off[0] / off[1] == pytest.approx(2.0, abs=0.2)
    assert abs(off[0]) < 0.02


@pytest.mark.parametrize("basis", ["eigen", "rotated"])
def test_sectors_and_students_have_rates_of_their_own(basis):
    """A linear unit of SGD at the rate of its sector comes to rest at half of it times sigma^2, to first order."""
    rule = optimizers.Adam(1.0, basis=basis)
    one = replace(LINEAR, student_units=1, student_weights=None, learning_rate=1e-3, optimizer=rule)
    last = integrate(one, OrderParameters.typical(one, 0.9), [0.0, 1e5], rtol=1e-8).final
    off = (last.q - 2.0 * last.r + last.t).ravel()
    np.testing.assert_allclose(off, 0.5 * 0.09 * theory.adam_rates(one)[:, 0], rtol=5e-3)
    two = replace(LINEAR, teacher_units=2, activation="erf", teacher_weights=[-0.4, 1.0], optimizer=rule)
    scale = np.sqrt(SPECTRUM.eigenvalues) if basis == "eigen" else np.ones(2)
    slopes = 0.3 * np.array([1.0, 0.4]) * np.sqrt(2.0 / np.pi / np.sqrt(3.0))
    np.testing.assert_allclose(theory.adam_rates(two), 0.1 / np.outer(scale, slopes), rtol=1e-12)


def test_what_they_are_not_for():
    with pytest.raises(InvalidProblem, match=r"give a problem with optimizers\.SignSGD"):
        theory.coordinate_bases(replace(LINEAR, optimizer=None))
    with pytest.raises(InvalidProblem, match="has no closed form here"):
        theory.sign_sgd_floor(replace(LINEAR, activation="erf"))
    with pytest.raises(InvalidProblem, match="all learn"):
        theory.sign_sgd_floor(replace(LINEAR, weight_decay=0.1))
    with pytest.raises(InvalidProblem, match="as many students as teachers"):
        theory.adam_rates(LINEAR)
    adam = replace(LINEAR, student_units=1, student_weights=None, activation="erf", optimizer=optimizers.Adam(1.0))
    assert theory.adam_rates(adam).shape == (2, 1)
    for changes, words in (
        ({"weight_decay": 0.1}, "weight_decay = 0.1.*rates of Adam"),
        ({"trainable": 1}, "trainable = 1"),
        ({"teacher_activation": "tanh"}, "no student becomes its teacher"),
        ({"student_weights": [0.5]}, "the error cannot vanish unit by unit"),
    ):
        with pytest.raises(InvalidProblem, match=words):
            theory.adam_rates(replace(adam, **changes))
    with pytest.raises(InvalidProblem, match="eigenvalue 0"):
        theory.coordinate_bases(replace(LINEAR, spectrum=Spectrum([1.0, 0.0], [0.5, 0.5])))
