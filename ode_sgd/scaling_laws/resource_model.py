"""Subtasks that compete for neurons: the resource model of neural scaling laws."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode_sgd.core import allowance, check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown, single
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.observable import Parameters
from ode_sgd.scaling_laws.allocation import Allocation, policy_of
from ode_sgd.scaling_laws.loss_curve import EXACT, LossCurve
from ode_sgd.scaling_laws.loss_curve import observables as of_flow
from ode_sgd.scaling_laws.power_law_task import PowerLawTask
from ode_sgd.scaling_laws.resource_checks import increasing, positive, totals
from ode_sgd.scaling_laws.resource_curve import ResourceCurve, observables, shares_of
from ode_sgd.scaling_laws.resource_simulation import check_memory, checked, simulated
from ode_sgd.scaling_laws.spectral_measure import SpectralMeasure
from ode_sgd.scaling_laws.subtasks import Subtasks, losses, places_of_subtasks


@own_keywords
@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class ResourceModel:
    """Independent subtasks, each solved by neurons that report its target with noise of their own.

    Subtask i has a target g of variance v_i; a neuron of it reports g + xi, with xi of variance s2_i, and a linear
    readout combines the neurons. The loss is sum_i p_i l_i, where N_i neurons leave l_i = v_i s2_i / (s2_i + N_i v_i).

    Parameters
    ----------
    variances : array_like, shape (S,)
        v_i > 0, dimensionless.
    noise_variances : float or array_like, shape (S,)
        s2_i > 0, in the same units.
    weights : float or array_like, shape (S,), or None
        p_i > 0; None is 1 for each.

    Attributes
    ----------
    variances, noise_variances, weights : ndarray, shape (S,)
        As given.
    counts : ndarray, shape (S,)
        For how many subtasks alike an entry stands: 1, but in `from_task` with very many.

    Raises
    ------
    InvalidProblem
        For a value outside its range, or arrays of different lengths.

    Notes
    -----
    Source: Song, Liu, Tegmark & Gore, "A resource model for neural scaling law", arXiv:2402.05164, whose hypotheses
    (loss inversely proportional to neurons, shares that stay as neurons are added) hold here for many neurons.
    Section 13 of docs/theory/scaling_laws.md.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> model = sl.ResourceModel([1.0, 0.5, 0.25], [1.0, 2.0, 0.5])
    >>> found = model.allocate(10)
    >>> found.neurons.round(3).tolist(), round(found.loss, 6)
    ([4.446, 3.702, 1.851], 0.573097)
    """

    variances: Array
    noise_variances: Array
    weights: Array
    counts: Array
    definition: Mapping[str, Any]

    __setstate__ = frozen.restore_frozen

    def __init__(self, variances: Any, noise_variances: Any, weights: Any = None) -> None:
        v = positive("variances", variances, None)
        s2 = positive("noise_variances", noise_variances, v.size)
        p = positive("weights", 1.0 if weights is None else weights, v.size)
        given = {"variances": v, "noise_variances": s2, "weights": p}
        self._set(Subtasks(v, s2, p, np.ones(v.size)), given)

    @classmethod
    def from_task(
        cls, task: PowerLawTask, *, relative_noise: float | None = None, additive_noise: float | None = None
    ) -> "ResourceModel":
        """One subtask for each mode of a task, with the variance v_i = lambda_i w_i^2. Equation: (13.8).

        Parameters
        ----------
        task : PowerLawTask
            Its power falls as i^-(1 + delta), delta = capacity source.
        relative_noise : float
            s2_i is this times v_i: the loss of the optimal policy falls as N^-min(1, delta).
        additive_noise : float
            s2_i is this for all, in the units of v: it falls as N^(-delta / (2 + delta)). One of the two is given.

        Raises
        ------
        InvalidProblem
            If neither noise is given, or both, or it is not > 0.
        """
        check.instance("task", task, PowerLawTask)
        if (relative_noise is None) == (additive_noise is None):
            raise InvalidProblem(
                f"relative_noise = {relative_noise}, additive_noise = {additive_noise}: give one of the two"
            )
        if task.capacity is None or task.source is None:
            v, counts = task.teacher_power / task.multiplicities, task.multiplicities
        else:
            places, counts = places_of_subtasks(task.modes)
            v = places ** -(1.0 + task.capacity * task.source)
        given: dict[str, Any] = {"task": dict(task.definition)}
        if relative_noise is not None:
            given["relative_noise"] = check.size("relative_noise", relative_noise)
            s2 = given["relative_noise"] * v
        else:
            given["additive_noise"] = check.size("additive_noise", additive_noise)
            s2 = np.full(v.size, given["additive_noise"])
        made: ResourceModel = object.__new__(cls)
        made._set(Subtasks(v, s2, np.ones(v.size), counts), given)
        return made

    def _set(self, subtasks: Subtasks, given: Mapping[str, Any]) -> None:
        """Fill the fields, which are read-only from here on."""
        for name, values in subtasks._asdict().items():
            object.__setattr__(self, name, frozen.own(values))
        held = {name: frozen.own(value) if isinstance(value, np.ndarray) else value for name, value in given.items()}
        object.__setattr__(self, "definition", held)

    def __repr__(self) -> str:
        return f"ResourceModel({', '.join(f'{name}={shown(value)}' for name, value in self.definition.items())})"

    @property
    def subtasks(self) -> Subtasks:
        """The subtasks as arrays."""
        return Subtasks(self.variances, self.noise_variances, self.weights, self.counts)

    @property
    def initial_loss(self) -> float:
        """Loss without neurons, sum_i p_i v_i."""
        return float(self.counts @ (self.weights * self.variances))

    @property
    def problem(self) -> Parameters:
        """What defines the model, as runs hold it."""
        return Parameters({"model": "resource_model", **self.definition})

    @property
    def identity(self) -> str:
        """SHA-256 of what defines the model."""
        return self.problem.identity

    def limit(self) -> Allocation:
        """The optimal allocation for N -> infinity. Equation: (13.5).

        Returns
        -------
        Allocation
            `shares` sqrt(p_i a_i) / sum_j sqrt(p_j a_j), a_i = s2_i; `loss` and `neurons` are N times the loss,
            (sum_i sqrt(p_i a_i))^2, and the shares of one neuron.
        """
        roots = np.sqrt(self.subtasks.amplitudes)
        total = float(self.counts @ roots)
        return Allocation(policy="optimal", neurons=roots / total, shares=roots / total, loss=total**2)

    def allocate(
        self, neurons: Any = None, policy: Any = "optimal", *, concentration: Any = None, price: Any = None
    ) -> Allocation:
        """How a policy shares neurons among the subtasks, and the loss of that.

        Parameters
        ----------
        neurons : float or array_like, shape (n,)
            Numbers of neurons, >= 1; whole ones for the greedy policy. Left out for "penalty".
        policy : str or array_like, shape (S,)
            "optimal": least loss, with real numbers of neurons. "greedy": one neuron after the other where it lowers
            the loss most, which is optimal among whole numbers. "equal". "polya": random shares, with the mean loss.
            "penalty": least loss + price times neurons. An array: shares, which sum to one.
        concentration : float
            Of "polya": c > 1 of the Dirichlet distribution of the shares; with less the mean of N times the loss
            does not stay finite.
        price : float
            Of "penalty": what a neuron costs, in units of the loss, > 0.

        Raises
        ------
        InvalidProblem
            For an unknown policy, a number of neurons below 1, shares that do not sum to one, or a concentration or a
            price without its policy or outside its range.

        Examples
        --------
        >>> from ode_sgd import scaling_laws as sl
        >>> sl.ResourceModel([1.0, 0.5], [1.0, 2.0]).allocate(6, policy=[0.5, 0.5]).loss
        0.5357142857142857
        """
        chosen = policy_of(policy, self.subtasks, {"concentration": concentration, "price": price})
        total = totals(neurons, chosen)
        shared = chosen.neurons(self.subtasks, total)
        loss = chosen.loss(self.subtasks, total, shared)
        shares = shares_of(shared, self.counts)
        if chosen.name == "penalty" or single(neurons):
            return Allocation(policy=chosen.name, neurons=shared[0], shares=shares[0], loss=float(loss[0]))
        return Allocation(policy=chosen.name, neurons=shared, shares=shares, loss=loss)

    def draw(self, neurons: float, *, concentration: float, draws: int, seed: int) -> Allocation:
        """Allocations with shares drawn from a Dirichlet distribution: what the policy "polya" is the mean of.

        Parameters
        ----------
        neurons : float
            >= 1.
        concentration : float
            c > 1.
        draws : int
            How many, >= 1.
        seed : int
            >= 0.
        """
        chosen = policy_of("polya", self.subtasks, {"concentration": concentration, "price": None})
        total = totals(neurons, chosen)[0]
        c = np.full(self.variances.size, check.number("concentration", concentration, above=1.0)) * self.counts
        shares = check.generator(check.seed(seed)).dirichlet(c, check.integer("draws", draws, 1)) / self.counts
        shared = total * shares
        loss = losses(self.subtasks, shared) @ (self.counts * self.weights)
        return Allocation(policy=chosen.name, neurons=shared, shares=shares, loss=loss)

    def curve(
        self, neurons: Any, policy: Any = "optimal", *, concentration: Any = None, price: Any = None
    ) -> ResourceCurve:
        """Loss and shares along the number of neurons: what `simulate` is compared with.

        Parameters
        ----------
        neurons : array_like, shape (n,)
            Increasing numbers of neurons >= 1, before which 0 may stand.
        policy, concentration
            As for `allocate`; not "penalty", whose number of neurons is not given.
        """
        chosen = policy_of(policy, self.subtasks, {"concentration": concentration, "price": price})
        if chosen.name == "penalty":
            raise InvalidProblem(
                "policy = 'penalty' finds its own number of neurons, so there is no curve of it; call allocate(), or "
                "give policy = 'optimal', which has the same allocations"
            )
        grid = increasing("neurons", neurons)
        positive = grid[grid > 0.0]
        shared = np.zeros((grid.size, self.variances.size))
        loss = np.full(grid.size, self.initial_loss)
        if positive.size:
            total = totals(positive, chosen)
            shared[grid > 0.0] = chosen.neurons(self.subtasks, total)
            loss[grid > 0.0] = chosen.loss(self.subtasks, total, shared[grid > 0.0])
        return ResourceCurve(
            problem=self.problem,
            alpha=grid,
            error=loss,
            observables=observables(shares_of(shared, self.counts)),
            method=f"{EXACT} allocation, {chosen.name}",
        )

    def measure(self, neurons: Any = None, policy: Any = "optimal", *, price: Any = None) -> SpectralMeasure:
        """Spectral measure of so many neurons: an eigenvalue lambda_i = N_i v_i + s2_i for each subtask.

        What tells the neurons of a subtask apart has no overlap with its target, and no part in it.

        Raises
        ------
        InvalidProblem
            As for `allocate`; also for several numbers of neurons, which have a measure each.
        """
        if neurons is not None and not single(neurons):
            raise InvalidProblem(
                f"neurons = {shown(neurons)} are several numbers; give one, and call it for each of them"
            )
        if isinstance(policy, str) and policy == "polya":
            raise InvalidProblem("policy = 'polya' has random shares; give the shares of one draw: draw(...).shares[0]")
        found = self.allocate(neurons, policy, price=price)
        nodes = found.neurons * self.variances + self.noise_variances
        return SpectralMeasure(
            nodes=nodes,
            target=self.counts * self.weights * found.neurons * self.variances**2,
            trace=self.counts.copy(),
            floor=found.loss,
            kind=EXACT,
            largest=float(nodes.max()),
        )

    @check.underflow_is_zero
    def flow(self, times: Any, neurons: Any = None, policy: Any = "optimal", *, price: Any = None) -> LossCurve:
        """Gradient flow of the readout, from zero: dw/dt = -grad(loss) / 2. Equation: (13.3).

        L(t) = sum_i p_i [l_i + (v_i - l_i) exp(-2 lambda_i t)], with lambda_i = N_i v_i + s2_i.

        Parameters
        ----------
        times : array_like, shape (n,)
            Increasing, >= 0, in units of 1 / v.
        neurons, policy, price
            As for `allocate`, but one number of neurons; not "polya".

        Returns
        -------
        LossCurve
            `.floor` is the loss of the best readout.
        """
        grid = increasing("times", times)
        measure = self.measure(neurons, policy, price=price)
        loss = np.array([measure.integral_of_target(np.exp(-2.0 * measure.nodes * t) / measure.nodes) for t in grid])
        return LossCurve(
            problem=Parameters({**self.problem.canonical, "neurons": neurons, "policy": policy, "price": price}),
            alpha=grid,
            error=measure.floor + loss,
            observables=of_flow(measure.floor, {}),
            method=f"{EXACT} flow",
        )

    def least_squares_loss(self, neurons: Any, samples: Any, policy: Any = "optimal") -> Any:
        """Mean loss of readouts that were fitted to samples by least squares. Equation: (13.2).

        Every subtask's readout combines its own N_i neurons: D samples raise l_i by the factor (D - 1) / (D - N_i - 1).
        Exact for Gaussian targets and noise.

        Parameters
        ----------
        neurons : int or array_like
            >= 1.
        samples : int
            D > N_i + 1; with D = N_i + 1 the mean is infinite, with less the samples do not determine the readout.
        policy
            As for `allocate`, one that takes nothing else.
        """
        found = self.allocate(neurons, policy)
        count = check.integer("samples", samples, 1)
        most = float(found.neurons.max())
        if count <= most + 1.0:
            raise InvalidProblem(
                f"samples = {count}: a subtask with {most:g} neurons needs more than {most + 1.0:g} samples, or the "
                "mean loss is infinite; give more samples or fewer neurons"
            )
        factors = (count - 1.0) / (count - found.neurons - 1.0)
        loss = (losses(self.subtasks, found.neurons) * factors) @ (self.counts * self.weights)
        return float(loss) if single(neurons) else loss

    def simulate(
        self,
        neurons: Any,
        *,
        samples: int,
        replicas: int = 1,
        seed: int,
        pool: int | None = None,
        threads: int | None = None,
        progress: Callable[[float], None] | None = None,
        checkpoint: Any = None,
    ) -> ResourceCurve:
        """Forward selection from a pool of neurons of all subtasks; nothing says how many each shall get.

        Every replica draws `samples` inputs and `pool` neurons for each subtask, and takes neurons one after the other:
        the one with which a readout fitted to all targets leaves the smallest residual on these samples.

        Parameters
        ----------
        neurons : array_like, shape (n,)
            Increasing integers >= 0: where the run is recorded.
        samples : int
            D, larger than the last of these. Fewer make for a choice by chance.
        replicas : int
            >= 1.
        seed : int
            >= 0. The numbers depend on it alone, not on threads or interruptions.
        pool : int or None
            Neurons of each subtask to choose from; None: as many as neurons are chosen.
        threads : int or None
            Threads that share the replicas; None is one for every processor that this process may use.
        progress : callable or None
            Called with the fraction of replicas done.
        checkpoint : ode_sgd.Checkpoint or None
            Written every minute, after an interruption and at the end; a run of the same arguments goes on from it.

        Returns
        -------
        ResourceCurve
            With a replica axis. `.loss` is that of the best readout of the neurons chosen, exact for their numbers;
            `.residual` what the fitted readout leaves of the samples, which is less.

        Raises
        ------
        InvalidProblem
            For arguments outside their range, more than the memory holds, or a checkpoint of another run.
        """
        selection = checked(self.subtasks, increasing("neurons", neurons), samples, seed, pool)
        count = check.integer("replicas", replicas, 1)
        workers = allowance.threads() if threads is None else check.integer("threads", threads, 1)
        check_memory(selection, count, min(workers, count))
        return simulated(self, selection, count, workers, progress or (lambda fraction: None), checkpoint)
