"""Steps of the Rosenbrock kernel: the dense step of the same table, the orders of convergence, stability."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ode_sgd.teacher_student.kernels.integration import rodas5p
from tests.teacher_student.kernels.stepping import Case, dense_step, take

SHAPES = [("erf", 3, 2, 2), ("erf", 3, 3, 2), ("erf", 2, 4, 4), ("linear", 3, 2, 3)]


@pytest.mark.parametrize(("activation", "L", "K", "M"), SHAPES)
@pytest.mark.parametrize(("h", "age"), [(0.05, 0), (2.0, 0), (30.0, 200)])
def test_a_step_is_the_dense_step(activation, L, K, M, h, age):
    """Eigenbasis, sectors and coupling together solve the whole linear system, stiff (h rate up to 30) or not."""
    case = Case.random(activation, L, K, M, seed=4)
    if age:  # what a step of thirty does to a random start leaves the domain of the averages
        case = replace(case, state=take(case, 0.25, age).state)
    taken = take(case, h, fractions=[0.5])
    new, error, between = dense_step(case, h)
    # The dense Jacobian is good to 1e-13 by differences of sixth order; its system amplifies that by up to a hundred.
    scale = np.abs(new).max()
    tolerance = {"rtol": 0.0, "atol": 1e-11 * scale}
    np.testing.assert_allclose(taken.state, new, **tolerance)
    np.testing.assert_allclose(taken.sectors[0], between, **tolerance)
    np.testing.assert_allclose(taken.sectors[1], new, **tolerance)
    np.testing.assert_allclose(taken.rows, taken.sectors @ case.system.variance, **tolerance)
    np.testing.assert_allclose(taken.squares, taken.sectors @ case.system.variance**2, **tolerance)
    # Turning q and r to another basis keeps their Frobenius norms.
    twice = np.concatenate([np.ones(K * M), [1.0 if i == j else 2.0 for i in range(K) for j in range(i, K)]])
    np.testing.assert_allclose(np.sqrt(twice @ taken.error**2), np.sqrt(twice @ error**2), **tolerance)


def exact(case, end):
    """The state at `end`, to rounding."""
    solution = solve_ivp(lambda _, y: case.drift(y), (0.0, end), case.state.ravel(), "DOP853", rtol=3e-14, atol=1e-15)
    return solution.y[:, -1].reshape(case.state.shape)


def slopes(errors):
    """Of log2 error against halvings."""
    return np.diff(np.log2(errors)) * -1.0


@pytest.fixture(scope="module")
def smooth():
    """Nothing stiff: rates of order one."""
    return Case.random("erf", 3, 2, 2, seed=1)


def test_order_of_the_solution(smooth, record_property):
    end, counts = 4.0, [2, 4, 8, 16]
    reference = exact(smooth, end)
    errors = [np.abs(take(smooth, end / n, n).state - reference).max() for n in counts]
    order = slopes(errors).mean()
    record_property("measured", f"order {order:.3f} (errors {', '.join(f'{e:.1e}' for e in errors)})")
    assert order == pytest.approx(5.0, abs=0.2)


def test_order_of_the_error_estimate(smooth, record_property):
    """The difference to the embedded solution, of order 4, falls as h^5 in one step."""
    sizes = 0.4 * 0.5 ** np.arange(4)
    errors = [np.linalg.norm(take(smooth, h).error) for h in sizes]
    order = slopes(errors).mean() - 1.0
    record_property("measured", f"order {order:.3f}")
    assert order == pytest.approx(rodas5p.ERROR_ORDER, abs=0.2)


def test_order_of_the_dense_output(smooth, record_property):
    """Order 4: in one step its largest error falls as h^5."""
    sizes, fractions = 0.8 * 0.5 ** np.arange(4), [0.2, 0.4, 0.6, 0.8]
    errors = []
    for h in sizes:
        between = take(smooth, h, fractions=fractions).sectors[:-1]
        # The reference is 16^4 times more accurate than the steps themselves.
        exact_values = np.array([take(smooth, x * h / 16, 16).state for x in fractions])
        errors.append(np.abs(between - exact_values).max())
    order = slopes(errors).mean() - 1.0
    record_property("measured", f"order {order:.3f}")
    assert order == pytest.approx(4.0, abs=0.2)


def test_the_table_is_stiffly_accurate_and_l_stable():
    """y' = z y: the stability function is below one on the left half plane and falls to zero at infinity."""

    def amplification(z):
        g, left = np.zeros(rodas5p.STAGES, complex), 1.0 / rodas5p.GAMMA - z
        for stage in range(rodas5p.STAGES):
            g[stage] = (z * (1.0 + rodas5p.A[stage] @ g) + rodas5p.C[stage] @ g) / left
        return 1.0 + rodas5p.A[-1] @ g + g[-1], g[-1]

    sizes = np.logspace(-3, 8, 300)
    for direction in (-1.0, 1j, -1.0 + 1j):
        values = np.array([amplification(direction * size)[0] for size in sizes])
        assert np.abs(values).max() <= 1.0 + 1e-12  # the table has 16 digits
        assert abs(values[-1]) < 1e-6  # falls as 1/z
    assert abs(amplification(-1e8)[1]) < 1e-6  # so does the error estimate
    assert abs(amplification(-1e-2)[0] - np.exp(-1e-2)) < 1e-14  # order 5: 1e-12 times a constant below 1e-3


def test_sectors_of_a_block_do_not_feel_its_filling():
    """17 sectors need two blocks, of which the second is nearly empty; in another order they share it otherwise."""
    case = Case.random("erf", 17, 2, 2, seed=2)
    order = np.random.default_rng(0).permutation(17)
    by_sector = ("eigenvalues", "weights", "learning", "variance", "factors", "t")
    system = replace(
        case.system,
        **{name: np.ascontiguousarray(getattr(case.system, name)[..., order]) for name in by_sector},
    )
    permuted = replace(case, system=system, state=np.ascontiguousarray(case.state[:, order]))
    one, other = take(case, 0.7, 3), take(permuted, 0.7, 3)
    # The same sums in another order.
    np.testing.assert_allclose(other.state, one.state[:, order], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(other.rows, one.rows, rtol=1e-11, atol=1e-13)
