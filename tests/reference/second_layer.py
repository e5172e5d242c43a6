"""The ODE with a trained second layer, once more in plain loops: what drift.py is for a fixed one.

Written from docs/theory/model.md sections 3 and 4; it shares no code with the package's kernels.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.integrate import solve_ivp

from tests.reference import drift
from tests.reference.drift import Plain


@dataclass(frozen=True)
class Trained:
    """One problem: its plain form, and the rate and decay of v."""

    plain: Plain
    rate: float
    decay: float

    @classmethod
    def of(cls, problem):
        """Of an ode_sgd.Problem."""
        return cls(Plain.of(problem), problem.second_layer_rate, problem.kappa_v)

    def drift(self, c, v):
        """dc/dalpha (L, d, d) and dv/dalpha (K,)."""
        plain, K = self.plain, self.plain.K
        a = np.concatenate([v, plain.a[K:]])
        C = np.einsum("k,kij->ij", plain.variance, c)
        h = [sum(a[e] * drift._gg(plain.kind, C, i, e) for e in range(a.size)) for i in range(K)]
        return replace(plain, a=a).drift(c), -self.rate * (np.array(h) + self.decay * v)

    def solve(self, c, v, alpha, rtol=1e-12):
        """Sectors (n, L, d, d) and v (n, K) at the times alpha, landing on each."""
        size, states = c.size, [(c, v)]

        def flat(_, y):
            return np.concatenate([part.ravel() for part in self.drift(y[:size].reshape(c.shape), y[size:])])

        y = np.concatenate([c.ravel(), v])
        for begin, end in pairwise(alpha):
            y = solve_ivp(flat, (begin, end), y, "DOP853", rtol=rtol, atol=1e-15).y[:, -1]
            states.append((y[:size].reshape(c.shape).copy(), y[size:].copy()))
        return tuple(np.array(part) for part in zip(*states, strict=True))

    def errors(self, states, second_layers):
        """eps_g (n,)."""
        plain, K = self.plain, self.plain.K
        C = np.einsum("k,nkij->nij", plain.variance, states)
        signed = [np.concatenate([v, plain.a[K:]]) for v in second_layers]
        return np.array([drift.error_and_terms(plain.kind, one, a)[0] for one, a in zip(C, signed, strict=True)])
