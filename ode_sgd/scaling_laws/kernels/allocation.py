"""One neuron after the other, each to the subtask whose loss falls most (docs/theory/scaling_laws.md section 13).

A heap holds the subtasks by what their next neuron would gain, the largest at its top, and among equal gains the
first subtask.
"""

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel


@kernel(inline=True)
def gain_of_next(amplitude: float, half: float, count: float) -> float:
    """What one more neuron takes from p a / (N + n0)."""
    return amplitude / ((count + half) * (count + half + 1.0))


@kernel(inline=True)
def _before(gains: Array, one: int, other: int) -> bool:
    return gains[one] > gains[other] or (gains[one] == gains[other] and one < other)


@kernel()
def sift(heap: Indices, gains: Array, place: int) -> None:
    """Move the entry at a place down to where the heap is in order."""
    size = heap.size
    moved = heap[place]
    child = 2 * place + 1
    while child < size:
        if child + 1 < size and _before(gains, heap[child + 1], heap[child]):
            child += 1
        if not _before(gains, heap[child], moved):
            break
        heap[place] = heap[child]
        place = child
        child = 2 * place + 1
    heap[place] = moved


@kernel()
def add_greedily(amplitudes: Array, halves: Array, counts: Array, neurons: int) -> int:
    """Give so many neurons more to subtasks that have `counts` (S,), which is changed; returns how many were given."""
    size = counts.size
    heap = np.arange(size)
    gains = np.empty(size)
    for i in range(size):
        gains[i] = gain_of_next(amplitudes[i], halves[i], counts[i])
    for place in range(size // 2 - 1, -1, -1):
        sift(heap, gains, place)
    for _ in range(neurons):
        best = heap[0]
        counts[best] += 1.0
        gains[best] = gain_of_next(amplitudes[best], halves[best], counts[best])
        sift(heap, gains, 0)
    return neurons
