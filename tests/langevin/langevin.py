"""A chain of overdamped oscillators in a heat bath, as a user of ode_sgd would write it."""

from dataclasses import asdict, dataclass

import numpy as np

import ode_sgd


@dataclass(frozen=True)
class Chain:
    modes: int
    stiffness: float = 1.0
    temperature: float = 0.0

    def __post_init__(self):
        if not self.stiffness > 0.0:
            raise ValueError(f"stiffness = {self.stiffness}; give a number > 0")


@dataclass(frozen=True)
class Times:
    last: float
    points: int = 40


@dataclass(frozen=True)
class Simulation:
    replicas: int = 16
    seed: int = 0


class Langevin(ode_sgd.Model):
    name = "langevin"
    tables = {"chain": Chain, "times": Times, "simulation": Simulation}
    shape_keys = {"chain.modes", "times.last", "times.points", "simulation.replicas"}
    columns = {"final_error": "mean square at the last time", "half_time": "first time at which it is below a half"}
    symbols = {"chain.stiffness": r"stiffness  $\kappa$", "half_time": r"half-life  $t_{1/2}$  (s)"}

    def theory(self, tables, progress):
        chain, rates, times = self.parts(tables)
        decay = np.exp(-2.0 * np.outer(times, rates))
        return self.run(chain, times, decay + chain.temperature / rates * (1.0 - decay), method="closed form")

    def simulation(self, tables, progress, checkpoint):
        (chain, rates, times), plan = self.parts(tables), tables["simulation"]
        saved = checkpoint.read() if checkpoint is not None else None
        squares = [] if saved is None else list(saved["squares"])
        streams = np.random.SeedSequence(plan.seed).spawn(plan.replicas)
        for replica in range(len(squares), plan.replicas):
            noise, x = np.random.default_rng(streams[replica]), np.ones((times.size, rates.size))
            for n, kept in enumerate(np.exp(-np.outer(np.diff(times), rates))):
                width = np.sqrt(chain.temperature / rates * (1.0 - kept**2))
                x[n + 1] = kept * x[n] + width * noise.standard_normal(rates.size)
            squares.append(x**2)
            if checkpoint is not None:
                checkpoint.write({"squares": np.array(squares)})
            progress((replica + 1) / plan.replicas)
        facts = {"method": "exact steps", "dimension": rates.size, "seed": plan.seed}
        return self.run(chain, times, np.array(squares), **facts)

    def parts(self, tables):
        chain, times = tables["chain"], tables["times"]
        rates = chain.stiffness * (np.arange(1, chain.modes + 1) / chain.modes) ** 2
        return chain, rates, np.concatenate([[0.0], np.geomspace(1e-2, times.last, times.points)])

    def run(self, chain, times, squares, **facts):
        softest = ode_sgd.Observable(squares[..., 0], ("alpha",), "mean square of the softest mode")
        problem, error = ode_sgd.Parameters(asdict(chain)), squares.mean(axis=-1)
        found = {"softest": softest}
        return ode_sgd.Run(problem=problem, alpha=times, error=error, observables=found, model=self.name, **facts)

    def measures(self, run):
        below = np.flatnonzero(run.error < 0.5)
        return {"final_error": run.error[-1], "half_time": run.alpha[below[0]] if below.size else None}

    def describe(self, run):
        return f"half      {self.measures(run)['half_time']}" if run.replicas is None else ""
