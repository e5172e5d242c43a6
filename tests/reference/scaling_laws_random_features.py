"""Ridge regression on random features in plain NumPy: the formula term by term, and the fit by LAPACK."""

import numpy as np

from tests.reference.scaling_laws_degrees_of_freedom import df1, df2, ridge_root, root


def loss(task, samples, features, ridge, label_noise):
    """(14.3) as it stands on the page, with g by bisection."""
    lam, counts, power, s2 = task.eigenvalues, task.multiplicities, task.teacher_power, label_noise**2
    if ridge > 0.0:
        g = ridge_root(lam, counts, ridge / samples, samples, features)
    else:
        g = root(lam, counts, min(samples, features))
    z, q, x = df1(lam, counts, g), df2(lam, counts, g, g), g / (lam + g)
    factor = (features - z) / (features - q) if np.isfinite(features) else 1.0
    numerator = np.sum(power * (x - factor * x * (1.0 - x))) + s2
    if not np.isfinite(samples):
        return numerator - s2
    if not np.isfinite(features):
        return numerator / (1.0 - q / samples) - s2
    return numerator / (1.0 - (q * (features - 2.0 * z) + z**2) / (samples * (features - q))) - s2


def fitted(design, target, ridge):
    """The shortest theta of least |target - design theta|^2 + ridge |theta|^2."""
    if ridge == 0.0:
        return np.linalg.lstsq(design, target, rcond=None)[0]
    gram = design.T @ design + ridge * np.eye(design.shape[1])
    return np.linalg.solve(gram, design.T @ target)


def grid_loss(task, samples, features, ridge, halvings=55):
    """(14.3) at many points at once without label noise, (n,) each: bisection of all of them in log g, to 1e-14."""
    lam, counts, power = task.eigenvalues, task.multiplicities, task.teacher_power
    low, high = np.full(samples.size, -70.0), np.full(samples.size, 5.0)
    for _ in range(halvings):
        g = np.exp(0.5 * (low + high))
        z = (lam / (lam + g[:, None])) @ counts
        below = z >= np.minimum(samples, features)
        if ridge > 0.0:
            below |= g * (samples - z) * (1.0 - z / features) < ridge
        low, high = np.where(below, np.log(g), low), np.where(below, high, np.log(g))
    share = lam / (lam + np.exp(0.5 * (low + high))[:, None])
    z, q = share @ counts, share**2 @ counts
    numerator = (1.0 - share) @ power - (features - z) / (features - q) * ((share * (1.0 - share)) @ power)
    return numerator / (1.0 - (q * (features - 2.0 * z) + z**2) / (samples * (features - q)))
