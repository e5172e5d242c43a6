"""Rows of the moving state."""

import numpy as np
import pytest

from ode_sgd.teacher_student.kernels.sectors import layout
from tests.teacher_student.kernels.cases import sectors

SHAPES = [(1, 1, 1), (5, 2, 2), (3, 4, 1), (2, 1, 4), (6, 3, 2)]  # L, K, M


@pytest.mark.parametrize(("L", "K", "M"), SHAPES)
def test_rows(L, K, M):
    c = sectors(L, K + M, 0)
    q, r = c[:, :K, :K], c[:, :K, K:]
    state = layout.pack(q, r)
    assert state.shape == (layout.row_count(K, M), L)
    assert state.flags.c_contiguous
    seen = set()
    for i in range(K):
        for n in range(M):
            np.testing.assert_array_equal(state[i * M + n], r[:, i, n])
            seen.add(i * M + n)
        for j in range(K):
            np.testing.assert_array_equal(state[layout.q_row(i, j, K, M)], q[:, i, j])
            seen.add(layout.q_row(i, j, K, M))
    assert seen == set(range(layout.row_count(K, M)))


@pytest.mark.parametrize(("L", "K", "M"), SHAPES)
def test_unpack_inverts_pack(L, K, M):
    c = sectors(L, K + M, 1)
    q, r = layout.unpack(layout.pack(c[:, :K, :K], c[:, :K, K:]).T, K, M)
    np.testing.assert_array_equal(q, c[:, :K, :K])
    np.testing.assert_array_equal(r, c[:, :K, K:])


def test_unpack_keeps_leading_axes():
    states = np.arange(2 * 3 * 7.0).reshape(2, 3, 7)  # K = 2, M = 2: 4 + 3 rows
    q, r = layout.unpack(states, 2, 2)
    assert (q.shape, r.shape) == ((2, 3, 2, 2), (2, 3, 2, 2))
    for index in np.ndindex(2, 3):
        q_one, r_one = layout.unpack(states[index], 2, 2)
        np.testing.assert_array_equal(q[index], q_one)
        np.testing.assert_array_equal(r[index], r_one)
