"""Explicit networks of the feature-learning model: replicas with features, data and inputs of their own."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from ode_sgd.core import allowance, check, frozen
from ode_sgd.core.arrays import ArrayLike, Indices
from ode_sgd.core.compile import news
from ode_sgd.core.compile.cache_folder import source_digest
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.observable import Parameters
from ode_sgd.core.replica_threads import run_all
from ode_sgd.scaling_laws.loss_curve import SIMULATED, LossCurve, observables
from ode_sgd.scaling_laws.sgd_steps import checked_batch, checked_steps, sgd_problem
from ode_sgd.scaling_laws.simulated_networks import Records, Replica, Request, State
from ode_sgd.scaling_laws.whole_modes import MOST_WHOLE

if TYPE_CHECKING:
    from ode_sgd.scaling_laws.feature_learning import FeatureLearning

CHECKPOINT_VERSION = 1
ROUNDING = 1e-30  # of a loss, relative to that before learning: it is a sum of squares


@runtime_checkable
class Checkpoint(Protocol):
    """Where a simulation leaves what it needs to go on: `ode_sgd.Checkpoint`, or anything like it."""

    def read(self) -> State | None:
        """What was written last, None if nothing was."""

    def write(self, state: State) -> None:
        """Keep a state, a dictionary of arrays and texts, in place of the one before."""


@check.underflow_is_zero
def simulate(
    model: "FeatureLearning",
    steps: ArrayLike,
    *,
    learning_rate: float,
    batch_size: int | None = 1,
    replicas: int = 1,
    seed: int,
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
    checkpoint: Any = None,
) -> LossCurve:
    """Train explicit networks.

    Parameters
    ----------
    model : FeatureLearning
        Of a task with at most 4096 modes.
    steps : array_like of int, shape (n,)
        Increasing, >= 0: the loss before step n.
    learning_rate : float
        eta > 0, dimensionless.
    batch_size : int or None
        Fresh samples a step, >= 1; None is the mean over all inputs. A model with finite samples has one data set,
        and every step takes the mean over that: more than one is refused there.
    replicas : int
        Networks, >= 1, each with random features, data set and inputs of its own.
    seed : int
        >= 0. The numbers depend on it alone, not on threads, interruptions or output steps.
    threads : int or None
        Threads that share the replicas; None is one for every processor that this process may use.
    progress : callable or None
        Called with the fraction of steps done.
    checkpoint : Checkpoint or None
        Written every minute, after an interruption (Ctrl-C or, in the main thread, SIGTERM or SIGHUP), and at the end.
        If it holds a run of the same arguments, that one goes on, and ends with the numbers of an undisturbed run bit
        for bit.

    Returns
    -------
    LossCurve
        With a replica axis; method "simulated networks". Of gradient descent without fresh samples the problem is that
        of `FeatureLearning.flow`, from which it differs by O(eta), and the learning rate is in `stats`.

    Raises
    ------
    InvalidProblem
        For values outside their ranges, more than the memory holds, or a checkpoint of another run.
    StorageError
        If the checkpoint cannot be read. That it cannot be written is a warning: the run goes on.

    Notes
    -----
    A sample costs the width (or the modes, at infinite width), a step with feature learning the square of it.
    Equations: (12.1) and (12.2).

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> model = sl.FeatureLearning(sl.PowerLawTask(modes=200), gamma=1.0)
    >>> run = model.simulate([0, 100], learning_rate=0.02, batch_size=4, replicas=3, seed=0)
    >>> run.loss.shape, run.method
    ((3, 2), 'simulated networks')
    """
    batch = checked_batch(batch_size)
    if model.samples is not None and batch > 1:
        raise InvalidProblem(
            f"batch_size = {batch}, but every step takes all of samples = {model.samples}; leave batch_size out, or "
            "give a model with samples=None"
        )
    request = Request(
        model=model,
        steps=checked_steps(steps),
        learning_rate=check.size("learning_rate", learning_rate),
        batch=batch if model.samples is None else 0,
    )
    replicas, seed = check.integer("replicas", replicas, 1), check.seed(seed)
    workers = allowance.threads() if threads is None else check.integer("threads", threads, 1)
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        raise InvalidProblem(f"checkpoint is a {type(checkpoint).__name__}; give ode_sgd.Checkpoint(path)")
    check_sizes(request, replicas, min(workers, replicas))
    return _simulated(request, replicas, seed, workers, progress or (lambda fraction: None), checkpoint)


def check_sizes(request: Request, replicas: int, workers: int) -> None:
    """Raise InvalidProblem where the task has too many modes, or networks need more memory than there is."""
    model, present = request.model, allowance.memory()
    modes = model.task.modes
    if modes > MOST_WHOLE:
        raise InvalidProblem(
            f"the task has {modes} modes, but explicit networks take every mode for itself; give a task of at most "
            f"{MOST_WHOLE} modes"
        )
    width, samples = model.width or modes, model.samples or 0
    matrices = 4.0 * modes * (width if model.width else 0) + samples * (modes + 3.0 * width) + 2.0 * modes
    layers = float(min(width, samples or width)) ** 2 if model.gamma else 0.0
    network, records = 8.0 * (matrices + layers), 16.0 * replicas * request.steps.size
    if network * workers + records > present:
        told = f"width = {width} and {modes} modes" + (f" with samples = {samples}" if samples else "")
        raise InvalidProblem(
            f"{told} on {workers} threads, and {replicas} replicas at {request.steps.size} steps, need "
            f"{_gib(network * workers + records)} of the {_gib(present)} that this process may use; give fewer modes, "
            "samples, threads or output steps"
        )


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"


def _simulated(
    request: Request,
    replicas: int,
    seed: int,
    workers: int,
    progress: Callable[[float], None],
    checkpoint: Checkpoint | None,
) -> LossCurve:
    """Run what is wanted, from its beginning or from its checkpoint."""
    began, records = time.perf_counter(), Records(replicas, request.steps.size)
    identity = _identity(request, replicas, seed) if checkpoint is not None else ""
    networks = [Replica(request, records, seed, number) for number in range(replicas)]
    before_seconds = _resumed(networks, identity, checkpoint)
    before = sum(network.done for network in networks)

    def keep() -> None:
        state: State = {"identity": identity, "seconds": np.array(before_seconds + time.perf_counter() - began)}
        for network in networks:
            state |= {f"{network.number}_{name}": values for name, values in network.snapshot().items()}
        checkpoint.write(state)  # type: ignore[union-attr]

    total = int(request.steps[-1]) * replicas

    def fraction() -> float:
        return sum(network.done for network in networks) / total if total else 1.0

    kept = keep if checkpoint is not None else None
    with news.watched("networks of a scaling-law model", all_threads=True) as kernels:
        interrupted = run_all(networks, min(replicas, workers), fraction, progress, kept)
    stats = {
        "steps": float(sum(network.done for network in networks)),
        "steps_before": float(before),
        "seconds": before_seconds + max(0.0, time.perf_counter() - began - kernels.seconds),
        "compiling": kernels.seconds,
        "learning_rate": request.learning_rate,
    }
    return _collected(request, records, seed, interrupted, stats)


def _resumed(networks: list[Replica], identity: str, checkpoint: Checkpoint | None) -> float:
    """Let replicas go on from what a checkpoint holds of them; the seconds that it took until there."""
    saved = checkpoint.read() if checkpoint is not None else None
    if saved is None:
        return 0.0
    _check_identity(identity, saved, checkpoint)
    for network in networks:
        prefix = f"{network.number}_"
        network.resume({key.removeprefix(prefix): saved[key] for key in saved if key.startswith(prefix)})
    return float(saved["seconds"])


def _problem(request: Request) -> Parameters:
    """What the run is of: with fresh samples that of SGD, else that of the flow."""
    if request.batch == 0:
        return Parameters(request.model.canonical)
    return sgd_problem(request.model, request.learning_rate, request.batch)


def _identity(request: Request, replicas: int, seed: int) -> str:
    """Everything that the numbers of a run depend on, as text."""
    facts = {
        "checkpoint version": CHECKPOINT_VERSION,
        "kernels": source_digest(),
        "model": request.model.identity,
        "learning rate": request.learning_rate,
        "batch size": request.batch,
        "replicas": replicas,
        "seed": seed,
        "output steps": hashlib.sha256(request.steps.tobytes()).hexdigest(),
    }
    return json.dumps(facts)


def _check_identity(identity: str, saved: State, checkpoint: Any) -> None:
    """Raise InvalidProblem, naming what differs, unless a saved state is of the same run."""
    try:
        own, other = json.loads(identity), json.loads(str(saved.get("identity", "{}")))
    except ValueError:
        own, other = {"identity": None}, {}
    different = [name for name in own if name not in other or own[name] != other[name]]
    if different:
        name = getattr(checkpoint, "path", "the checkpoint")
        raise InvalidProblem(
            f"{name} is of another run: its {', '.join(different)} differ; give another checkpoint or output, or "
            "remove this one to begin anew"
        )


def _collected(request: Request, records: Records, seed: int, interrupted: bool, stats: dict[str, float]) -> LossCurve:
    """The curve of what the replicas recorded."""
    model = request.model
    times = request.steps.astype(np.float64) * request.learning_rate
    kept, status, message = _kept_replicas(request.steps, records, interrupted)
    count = int(records.reached[kept].min())
    if not count:
        raise InvalidProblem(f"{message}, before the first of the steps at which a loss was asked for")
    r = frozen.sealed(records.r[kept, :count])
    scalars = {"r": r, "a": frozen.sealed(1.0 + model.gamma * r)}
    return LossCurve(
        problem=_problem(request),
        alpha=times[:count],
        error=frozen.sealed(records.loss[kept, :count]),
        observables=observables(records.floor[kept], scalars, request.steps[:count].astype(float)),
        method=f"{SIMULATED} networks",
        status=status,
        message=message,
        resolution=ROUNDING * model.task.initial_loss,
        stats=stats,
        dimension=model.width or model.task.modes,
        seed=seed,
    )


def _kept_replicas(steps: Indices, records: Records, interrupted: bool) -> tuple[Indices, str, str]:
    """Which replicas a curve is of, its status, and why it ended early."""
    reached, replicas = records.reached, records.reached.size
    kept, status, message = np.arange(replicas), "complete", ""
    if interrupted:
        finished, begun = np.flatnonzero(reached == steps.size), np.flatnonzero(reached)
        kept = finished if finished.size else begun
        if not kept.size:
            raise KeyboardInterrupt
        until = "" if finished.size else f", up to step {steps[int(reached[kept].min()) - 1]}"
        status, message = "interrupted", f"interrupted by the user; kept {kept.size} of {replicas} replicas{until}"
    if records.diverged.any():
        least = int(reached[records.diverged].min())
        first = f"after step {steps[least - 1]}" if least else f"before step {steps[0]}"
        told = f"{int(records.diverged.sum())} of {replicas} replicas diverged, the first {first}: lower learning_rate"
        status, message = (status, f"{message}; {told}") if interrupted else ("diverged", told)
    return kept, status, message
