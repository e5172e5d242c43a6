"""Replicas of a simulation while they run: one network each, on threads, and how they go on after a stop."""

from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ode_sgd.core.arrays import Indices
from ode_sgd.core.compile import ending
from ode_sgd.core.seeds import Children, generators, lane_states
from ode_sgd.scaling_laws.kernels.simulation import FINITE, LANES, train
from ode_sgd.scaling_laws.simulated_students import Student, draw_student

if TYPE_CHECKING:
    from ode_sgd.scaling_laws.feature_learning import FeatureLearning

CHUNK_SECONDS = 0.03  # between two looks at the outside world, of the speeds below
NORMAL, ENTRY = 3e-9, 5e-10  # seconds for a normal and its use, for an entry of the first layer's matrix
STREAMS = FEATURES, DATA, INPUTS = 0, 1, 2  # children of a replica's seed
DIVERGED = 1e6  # a loss of so many times that before learning

State = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is wanted of a simulation; a batch of 0 is the mean gradient, of the inputs' law or of the data set."""

    model: "FeatureLearning"
    steps: Indices
    learning_rate: float
    batch: int


class Network:
    """Both layers of one student, in the basis of its features, and its stream of inputs.

    Attributes
    ----------
    om : ndarray, shape (n,)
        Second layer w / sqrt(width).
    B : ndarray, shape (n, n)
        First layer A = B A0; empty without feature learning, which leaves it the identity.
    q : ndarray, shape (n,)
        Readout weights B^T om.
    """

    def __init__(self, student: Student, request: Request, stream: Any) -> None:
        n = student.scale.size
        rows = 2 * (-(-(n + 1) // (2 * LANES)))
        self.student = student
        self.gamma = request.model.gamma
        self.B = np.eye(n) if self.gamma > 0.0 else np.empty((0, 0))
        self.q = np.zeros(n)
        self.om = np.zeros(n) if self.gamma > 0.0 else self.q
        self._stream = stream
        self._rows, self._gradient = np.zeros((rows, LANES)), np.empty(n)
        self._rates = request.batch, request.learning_rate, self.gamma
        seconds = NORMAL * request.batch * rows * LANES + ENTRY * (n + self.B.size) + 1e-7
        self.chunk = max(1, int(CHUNK_SECONDS / seconds))

    def advance(self, steps: int) -> bool:
        """Take that many steps; whether the weights are still finite."""
        student = self.student
        layers = self.om, self.B, self.q, self._gradient
        parts = student.scale, student.target, student.noise
        return bool(train(self._stream, self._rows, steps, *self._rates, *parts, *layers) == FINITE)

    def observed(self) -> tuple[float, float]:
        """Loss, and r = |om|^2."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.student.loss(self.q), float(self.om @ self.om)

    def state(self) -> State:
        """What `restore` needs to go on, bit for bit."""
        return {"om": self.om.copy(), "B": self.B.copy(), "q": self.q.copy(), "stream": self._stream.copy()}

    def restore(self, state: State) -> None:
        """Go back to a state."""
        for name, present in (("om", self.om), ("B", self.B), ("q", self.q), ("stream", self._stream)):
            present[...] = state[name]


class Records:
    """What all replicas have recorded; a replica's rows are filled up to its `reached`."""

    def __init__(self, replicas: int, times: int) -> None:
        self.loss, self.r = np.zeros((replicas, times)), np.zeros((replicas, times))
        self.floor = np.zeros(replicas)
        self.reached = np.zeros(replicas, np.int64)
        self.diverged = np.zeros(replicas, bool)

    def arrays(self) -> dict[str, Any]:
        """All arrays by name, replicas on the first axis."""
        return vars(self)


class Replica:
    """One network of a run: drawn when its turn comes, given back when it is done."""

    def __init__(self, request: Request, records: Records, seed: int, number: int) -> None:
        self.request, self.records, self.number = request, records, number
        self.done = 0  # steps
        self._seed = seed
        self._network: Network | None = None
        self._saved: State = {}
        self._lock = Lock()  # held while anything of the replica changes

    def has_finished(self) -> bool:
        """It has reached the end, or diverged."""
        records = self.records
        return bool(records.reached[self.number] == len(self.request.steps) or records.diverged[self.number])

    def run(self, stop: Event) -> None:
        """Run to the end, or until `stop` is set; KeyboardInterrupt if kernels are being compiled then."""
        with ending.ended_by(lambda: not self.done and stop.is_set()):
            self._run(stop)

    def _run(self, stop: Event) -> None:
        if self.has_finished() or stop.is_set():
            return
        with self._lock:
            network = self._network = self._drawn()
            self._record(network, finite=True)
        while not self.has_finished() and not stop.is_set():
            with self._lock:
                target = int(self.request.steps[self.records.reached[self.number]])
                count = min(network.chunk, target - self.done)
                finite = network.advance(count)
                self.done += count
                self._record(network, finite)
        if self.has_finished():
            self._network = None

    def _drawn(self) -> Network:
        """The network at its start, or where a saved state left it."""
        request, own = self.request, range(self.number, self.number + 1)
        features, data, inputs = (Children(self._seed, own, stream) for stream in STREAMS)
        student = draw_student(request.model, generators(features)[0], generators(data)[0])
        self.records.floor[self.number] = student.floor
        network = Network(student, request, lane_states(inputs, LANES)[0])
        if self._saved:
            network.restore(self._saved)
            self._saved = {}
        return network

    def _record(self, network: Network, finite: bool) -> None:
        """Keep what is seen, where the steps done are an output time; find out whether the network has diverged."""
        records, number = self.records, self.number
        time = int(records.reached[number])
        if finite and self.request.steps[time] != self.done:
            return
        loss, r = network.observed()
        if not self.done:  # one number for all replicas, and for theory: it does not depend on the features
            loss = self.request.model.task.initial_loss
        if finite and loss < DIVERGED * self.request.model.task.initial_loss:  # NaN is not below
            records.loss[number, time], records.r[number, time] = loss, r
            records.reached[number] = time + 1
        else:
            records.diverged[number] = True

    def snapshot(self) -> State:
        """Copies of what the replica has done, recorded and needs to go on."""
        with self._lock:
            taken: State = {"done": np.array(self.done)}
            held = self._saved or (self._network.state() if self._network is not None else {})
            if self.done and not self.has_finished():
                taken |= {f"network_{name}": values for name, values in held.items()}
            own = slice(self.number, self.number + 1)
            taken |= {f"record_{name}": values[own].copy() for name, values in self.records.arrays().items()}
        return taken

    def resume(self, taken: State) -> None:
        """Go on from a snapshot."""
        self.done = int(taken["done"])
        if not self.done:
            return
        self._saved = {
            key.removeprefix("network_"): value for key, value in taken.items() if key.startswith("network_")
        }
        for name, values in self.records.arrays().items():
            values[self.number : self.number + 1] = taken[f"record_{name}"]
