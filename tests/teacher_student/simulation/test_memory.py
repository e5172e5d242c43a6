"""What a simulation takes of the memory is found out first."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd.core import allowance
from ode_sgd.teacher_student.simulation import memory, simulate
from ode_sgd.teacher_student.simulation.replicas import Records


def planned(*, sectors=False, method="auto"):
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(3, 1.0), student_units=2, teacher_units=3, learning_rate=0.5
    )
    start = ode_sgd.OrderParameters.random(problem, 30, seed=0)
    return simulate._request(problem, start, np.linspace(0, 2, 5), 30, method, (None, None), (0, 1, 2), sectors)


@pytest.mark.parametrize("sectors", [False, True])
def test_the_estimate_is_what_is_recorded(monkeypatch, sectors):
    request, replicas = planned(sectors=sectors, method="reduced"), 7
    records = Records(request, replicas)
    taken = sum(values.nbytes for name, values in records.arrays().items() if name not in ("reached", "diverged"))
    taken += replicas * memory.REPLICA
    monkeypatch.setattr(allowance, "memory", lambda: float(taken))
    memory.check_memory(request, replicas, 1)
    monkeypatch.setattr(allowance, "memory", lambda: taken - 1.0)
    with pytest.raises(ode_sgd.InvalidProblem, match=r"replicas = 7 with 5 output times need .* give fewer replicas"):
        memory.check_memory(request, replicas, 1)


def test_weights_of_every_thread_count(monkeypatch):
    monkeypatch.setattr(memory, "REPLICA", 0)
    monkeypatch.setattr(allowance, "memory", lambda: 8.0 * 30 * 12 * 9)  # the weights of nine threads, nothing else
    memory.check_memory(planned(method="reduced"), 9, 16)
    memory.check_memory(planned(method="explicit"), 9, 2)
    with pytest.raises(ode_sgd.InvalidProblem, match="dimension = 30 on 9 threads"):
        memory.check_memory(planned(method="explicit"), 9, 16)
