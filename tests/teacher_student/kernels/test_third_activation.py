"""An activation is one file: dropping one in the folder is enough for averages, ODE and simulation."""

import sys

import numpy as np
import pytest

import ode_sgd
from ode_sgd.core.compile import cache_folder, machine_code
from ode_sgd.teacher_student.kernels import averages
from tests.reference import sgd
from tests.reference.averages import direct
from tests.reference.theory import Theory
from tests.teacher_student.kernels.cases import covariance, step_normals

# g(x) = x^2, by Isserlis' theorem. Under a name of its own, so that it stays a new file for ever.
SOURCE = """
from ode_sgd.core.compile.kernel import kernel


@kernel(inline=True)
def value(x):
    return x * x


@kernel(inline=True)
def slope(x):
    return 2.0 * x


@kernel(inline=True)
def gg(C, a, b):
    return C[a, a] * C[b, b] + 2.0 * C[a, b] ** 2


@kernel(inline=True)
def dgdg(C, a, b):
    return 4.0 * C[a, b]


@kernel(inline=True)
def d2gg(C, a, b):
    return 2.0 * C[b, b]


@kernel(inline=True)
def dgdggg(C, a, b, c, e):
    pairings = C[a, b] * (C[c, c] * C[e, e] + 2.0 * C[c, e] ** 2)
    pairings += 2.0 * (C[a, c] * C[b, c] * C[e, e] + C[a, e] * C[b, e] * C[c, c])
    pairings += 4.0 * C[c, e] * (C[a, c] * C[b, e] + C[a, e] * C[b, c])
    return 4.0 * pairings


@kernel(inline=True)
def dgdg_gradient(C, a, b):
    return 4.0 * C[a, b], 0.0, 4.0, 0.0


@kernel(inline=True)
def d2gg_gradient(C, a, b):
    return 2.0 * C[b, b], 0.0, 0.0, 2.0


@kernel(inline=True)
def dgdggg_gradient(C, a, b, c, e):
    ab, cc, ee, ce = C[a, b], C[c, c], C[e, e], C[c, e]
    ac, ae, bc, be = C[a, c], C[a, e], C[b, c], C[b, e]
    return (
        dgdggg(C, a, b, c, e),
        0.0,
        0.0,
        4.0 * (cc * ee + 2.0 * ce * ce),
        4.0 * (ab * ee + 2.0 * ae * be),
        4.0 * (ab * cc + 2.0 * ac * bc),
        16.0 * (ab * ce + ac * be + ae * bc),
        8.0 * (bc * ee + 2.0 * ce * be),
        8.0 * (be * cc + 2.0 * ce * bc),
        8.0 * (ac * ee + 2.0 * ce * ae),
        8.0 * (ae * cc + 2.0 * ce * ac),
    )
"""
NAME = "square_for_a_test"
NODES = 6  # exact: polynomials of degree 6 at most, 12 would be allowed


@pytest.fixture
def dropped(tmp_path, monkeypatch):
    """The file in a folder that counts as the averages' own; compiled without the cache, which knows only ours."""
    (tmp_path / f"{NAME}.py").write_text(SOURCE)
    monkeypatch.setattr(averages, "__path__", [*averages.__path__, str(tmp_path)])
    monkeypatch.setattr(machine_code, "cache_directory", lambda: None)
    monkeypatch.setattr(cache_folder, "_TOLD", ["that nothing is kept is meant"])
    yield averages.load(NAME)
    sys.modules.pop(f"{averages.__name__}.{NAME}")


def test_one_file_is_enough(dropped):
    exact = direct("quadratic", NODES)
    C = covariance(4, 0)
    for fields in [(0, 1), (2, 2), (3, 0)]:
        for name in ("gg", "dgdg", "d2gg"):
            assert getattr(dropped, name)(C, *fields) == pytest.approx(getattr(exact, name)(C, *fields), rel=1e-12)
    for fields in [(0, 1, 2, 3), (0, 0, 1, 2), (1, 2, 1, 1), (3, 3, 3, 3)]:
        assert dropped.dgdggg(C, *fields) == pytest.approx(exact.dgdggg(C, *fields), rel=1e-12)

    assert NAME in averages.available()
    spectrum = ode_sgd.Spectrum([1.5, 0.5], [0.5, 0.5])
    problem = ode_sgd.Problem(
        spectrum=spectrum, student_units=1, teacher_units=2, learning_rate=0.02, activation=NAME, label_noise=0.1
    )
    start = ode_sgd.OrderParameters.random(problem, 40, 0.5, seed=0)
    alpha = np.array([0.0, 1.0, 2.0])

    ode = ode_sgd.integrate(problem, start, alpha, rtol=1e-10)
    theory = Theory.of(problem, exact)
    C = np.array([theory.covariance(c) for c in theory.solve(start.gram, alpha, rtol=1e-10)])
    # Both integrators hold 1e-10 a step; their dense output (the twin's) is good to about 1e-8.
    np.testing.assert_allclose(ode.Q, C[:, :1, :1], rtol=1e-7)
    np.testing.assert_allclose(ode.R, C[:, :1, 1:], rtol=1e-7)
    assert ode.generalization_error[0] == pytest.approx(theory.error(start.gram), rel=1e-12)

    network = _network(problem, start)
    J = network.J[0].copy()
    network.advance(80)
    normals = step_normals("float64", np.random.SeedSequence(3))
    inputs, noises = sgd.draw(normals, 80, np.repeat(np.sqrt(spectrum.eigenvalues), 20), 0.1)
    expected = sgd.run(J, network.B[0], inputs, noises, problem.v, problem.u, 0.02, "quadratic")
    np.testing.assert_allclose(network.J[0], expected, rtol=0.0, atol=1e-12)  # rounding of 80 steps
    assert ode_sgd.simulate(problem, start, alpha, dimension=40, seed=0).status == "complete"


def _network(problem, start):
    from ode_sgd.teacher_student.model.starts import weights_with_overlaps
    from ode_sgd.teacher_student.simulation.explicit import ExplicitNetworks

    sizes = problem.spectrum.sector_dimensions(40)
    weights = weights_with_overlaps(start.gram, sizes, np.random.default_rng(1))
    return ExplicitNetworks(problem, weights[None], sizes, [np.random.SeedSequence(3)])


def test_the_new_name_is_offered_to_users(dropped):
    with pytest.raises(ode_sgd.InvalidProblem, match=f"did you mean '{NAME}'"):
        ode_sgd.Problem(
            spectrum=ode_sgd.Spectrum.isotropic(),
            student_units=1,
            teacher_units=1,
            learning_rate=0.1,
            activation=NAME[:-1],
        )
