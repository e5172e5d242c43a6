"""Who follows whom."""

import numpy as np
import pytest

import ode_sgd
from tests.analysis.curves import trajectory

ALPHA = np.array([0.0, 1.0, 2.0, 3.0])


def test_teacher_and_time_of_each_student():
    R = np.zeros((4, 2, 2))
    R[:, 0, 1] = [0.1, 0.9, 0.95, 1.0]  # follows teacher 1 from alpha = 1 on
    R[:, 1, 0] = [0.9, 0.1, -0.9, -1.0]  # lost teacher 0 and found it again, with the other sign
    found = ode_sgd.specialisation(trajectory(ALPHA, np.ones(4), R))
    assert found.teacher.tolist() == [1, 0]
    assert found.alpha.tolist() == [1.0, 2.0]
    assert np.allclose(found.correlation, R)


def test_students_that_follow_nobody():
    found = ode_sgd.specialisation(trajectory(ALPHA, np.ones(4)))
    assert found.teacher.tolist() == [-1, -1] and np.isnan(found.alpha).all()


def test_correlation_does_not_depend_on_lengths():
    one = trajectory(ALPHA, np.ones(4), np.full((4, 2, 2), 0.85))
    Q, R, T = one.moments[1]
    other = ode_sgd.Trajectory(
        problem=one.problem,
        alpha=ALPHA,
        generalization_error=np.ones(4),
        moments={1: (9.0 * Q, 6.0 * R, 4.0 * T)},
        method="given",
    )
    assert np.allclose(ode_sgd.specialisation(other).correlation, 0.85)


def test_replicas_keep_their_axis(pair):
    _, sgd = pair
    found = ode_sgd.specialisation(sgd)
    assert found.correlation.shape == (16, sgd.alpha.size, 2, 2)
    assert found.teacher.shape == found.alpha.shape == (16, 2)


def test_a_run_ends_specialised(specialised):
    ode, _ = specialised
    assert sorted(ode_sgd.specialisation(ode).teacher.tolist()) == [0, 1]
    assert (ode_sgd.specialisation(ode).alpha < 200.0).all()


def test_a_student_that_has_died_follows_nobody(recwarn):
    """Its Q_ii is 0 up to rounding, on either side."""
    one = trajectory(ALPHA, np.ones(4), np.full((4, 2, 2), 0.9))
    Q, R, T = (np.array(moment) for moment in one.moments[1])
    Q[2:, 0, :] = Q[2:, :, 0] = R[2:, 0] = -1e-15
    dead = ode_sgd.Trajectory(
        problem=one.problem, alpha=ALPHA, generalization_error=np.ones(4), moments={1: (Q, R, T)}, method="given"
    )
    found = ode_sgd.specialisation(dead)
    assert found.teacher.tolist() == [-1, 0]
    assert not found.correlation[2:, 0].any()
    assert not recwarn.list


def test_what_is_no_trajectory_is_refused():
    with pytest.raises(ode_sgd.AnalysisError, match="Trajectory"):
        ode_sgd.specialisation(3)
