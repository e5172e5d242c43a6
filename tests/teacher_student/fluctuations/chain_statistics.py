"""Variances and means of every sector's overlaps over simulations, beside what fluctuations say of them."""

from dataclasses import dataclass

import numpy as np

from ode_sgd import fluctuations, integrate, simulate


@dataclass
class Statistics:
    """Per output time after the start and overlap (n, L p), or per time for eps_g (n,)."""

    ratios: np.ndarray  # variance over theory
    covariance_apart: np.ndarray  # (n,), in Frobenius' norm
    z: np.ndarray  # (mean - ODE - bias / N) / standard error
    z_without: np.ndarray  # without the bias
    error_ratios: np.ndarray
    error_z: np.ndarray


def overlaps(sectors):
    """(.., n, L p) of r_in and q_ij, sector by sector."""
    K = sectors.q.shape[-1]
    i, j = np.triu_indices(K)
    rows = np.concatenate([sectors.r.reshape(*sectors.r.shape[:-2], -1), sectors.q[..., i, j]], axis=-1)
    return rows.reshape(*rows.shape[:-2], -1)


def statistics(problem, start, alpha, *, dimension, replicas, seed, found=None, method="reduced"):
    """Those of simulations from one start."""
    found = fluctuations(problem, start, alpha, sectors=True) if found is None else found
    sgd = simulate(
        problem, start, alpha, dimension=dimension, replicas=replicas, seed=seed, sectors=True, method=method
    )
    ode = integrate(problem, start, alpha, sectors=True, rtol=1e-9)
    values, limit = overlaps(sgd.sectors)[:, 1:], overlaps(ode.sectors)[1:]
    n = values.shape[2]
    theory = found.sector_covariance[1:].reshape(-1, n, n)
    measured = np.array([dimension * np.cov(values[:, time].T) for time in range(values.shape[1])])
    own = np.diagonal(measured, axis1=1, axis2=2)
    errors = np.sqrt(own / dimension / replicas)
    bias = found.sector_bias[1:].reshape(-1, n) / dimension
    away = values.mean(axis=0) - limit
    eps = sgd.generalization_error[:, 1:]
    gap = eps.mean(axis=0) - ode.generalization_error[1:] - found.error_bias[1:] / dimension
    return Statistics(
        ratios=own / np.diagonal(theory, axis1=1, axis2=2),
        covariance_apart=np.linalg.norm(measured - theory, axis=(1, 2)) / np.linalg.norm(theory, axis=(1, 2)),
        z=(away - bias) / errors,
        z_without=away / errors,
        error_ratios=dimension * eps.var(axis=0) / found.error_variance[1:],
        error_z=gap / (eps.std(axis=0) / np.sqrt(replicas)),
    )
