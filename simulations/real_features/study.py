"""Ridge regression on random features of real images, beside theory of their measured spectrum and target.

python simulations/real_features/study.py [FOLDER]      (needs pip install 'ode-sgd[data]'; under two minutes)
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

import ode_sgd
from ode_sgd import scaling_laws as sl
from ode_sgd.analysis.plots import COLOURS, MARKERS

Array = NDArray[np.float64]
SIDE, PATCHES, FLAT = 8, 40_000, 0.2  # pixels of a patch, how many are drawn, contrast below which none is kept
POOL, DRAWS, SEED = 600, 24, 0  # random features of a patch; draws of samples and projections
CONTROLS = 8  # draws of Gaussian samples
SAMPLES = np.array([20, 40, 80, 160, 320, 480, 800, 1200, 2400, 4800])
FEATURES = np.array([20, 40, 80, 160, 320, 480])
WEAK, STRONG = 1e-2, 0.3  # ridges of the sum over samples; the features' variances sum to 1
ALLOWED = 0.3  # what a mean may differ by: features of photographs are not Gaussian


def drawn_patches(stream: np.random.Generator) -> tuple[Array, Array]:
    """Square patches of both photographs in grey, a row each, and the pixel to the right of each one's middle row."""
    patches, following = [], []
    for photograph in load_sample_images().images:
        grey = photograph.mean(axis=2) / 255.0
        down, right = (stream.integers(0, size - SIDE - 1, PATCHES // 2) for size in grey.shape)
        windows = np.lib.stride_tricks.sliding_window_view(grey, (SIDE, SIDE))
        patches.append(windows[down, right].reshape(len(down), -1))
        following.append(grey[down + SIDE // 2, right + SIDE])
    rows, targets = np.concatenate(patches), np.concatenate(following)
    level = rows.mean(axis=1)  # of brightness
    rows, targets = rows - level[:, None], targets - level
    contrast = np.sqrt((rows**2).sum(axis=1))
    seen = contrast > FLAT
    return rows[seen] / contrast[seen, None], targets[seen] / contrast[seen]


class Patches:
    """Patches of two photographs, seen through one layer of random rectified linear units; what is the next pixel?

    They are the whole population: samples are drawn from them, and a loss is the mean over all.
    """

    def __init__(self) -> None:
        patches, following = drawn_patches(np.random.default_rng(SEED))
        units = np.random.default_rng(SEED + 1).standard_normal((patches.shape[1], POOL))
        features = np.maximum(patches @ units, 0.0)
        features -= features.mean(axis=0)
        self.features: Array = features / np.sqrt(
            (features**2).sum(axis=1).mean()
        )  # the trace of their covariance is 1
        self.labels: Array = (following - following.mean()) / following.std()
        self.task = sl.PowerLawTask.from_data(self.features, self.labels)
        self.covariance: Array = self.features.T @ self.features / len(self.labels)
        self.weights: Array = np.linalg.lstsq(self.covariance, self.features.T @ self.labels / len(self.labels))[0]

    def trained(self, samples: int, features: int | None, ridge: float, stream: np.random.Generator) -> float:
        """Loss of one regression: on these many samples, and projections of the features (None: all of them)."""
        rows = stream.integers(0, len(self.labels), samples)
        seen = np.eye(POOL) if features is None else stream.standard_normal((POOL, features)) / np.sqrt(features)
        X = self.features[rows] @ seen
        theta = np.linalg.solve(X.T @ X + ridge * np.eye(X.shape[1]), X.T @ self.labels[rows])
        missing = self.weights - seen @ theta
        return float(missing @ self.covariance @ missing)


def measured(patches: Patches, samples: Array, features: Array | None, ridge: float) -> tuple[Array, Array]:
    """Mean loss over draws and its standard error, at every number of samples or of features."""
    found = []
    counts = [(int(D), None) for D in samples] if features is None else [(int(samples[0]), int(P)) for P in features]
    for D, P in counts:
        streams = np.random.SeedSequence((SEED, D, P or 0)).spawn(DRAWS)
        losses = np.array([patches.trained(D, P, ridge, np.random.default_rng(stream)) for stream in streams])
        found.append((losses.mean(), losses.std(ddof=1) / np.sqrt(DRAWS)))
    mean, error = np.array(found).T
    return mean, error


Loss = Callable[[Array], Array]


def beside(panel: Axes, what: str, x: Array, loss: Loss, found: tuple[Array, Array], number: int) -> float:
    """Draw theory as a line and what was trained as markers; the largest relative deviation."""
    (mean, error), theory = found, loss(x)
    dense = np.unique(np.geomspace(x[0], x[-1], 200).round())
    panel.plot(dense, loss(dense), color=COLOURS[number], lw=1.2)
    style = {"fmt": MARKERS[number], "ms": 4.5, "mfc": "white", "lw": 0.9, "color": COLOURS[number]}
    panel.errorbar(x, mean, error, label=what, **style)
    for place, expected, value, spread in zip(x, theory, mean, error, strict=True):
        print(f"{what:16} {place:6g} {expected:10.5f} {value:10.5f} +- {spread:.5f} {value / expected - 1.0:+8.1%}")
    return float(np.abs(mean / theory - 1.0).max())


def control(panel: Axes, model: sl.RandomFeatures, settings: dict[str, Any], number: int) -> bool:
    """The same on Gaussian inputs of the same spectrum, at all sizes; whether they do not disagree with theory."""
    gaussian = model.simulate(samples=SAMPLES, **settings, replicas=CONTROLS, seed=number)
    curve = model.curve(samples=SAMPLES, **settings)
    theory, mean, error = (run.loss[1:] for run in (curve, gaussian.mean(), gaussian.standard_error()))
    style = {"marker": MARKERS[number], "ms": 2.5, "ls": "", "color": "0.4"}
    panel.plot(SAMPLES, mean, label=f"Gaussian, ridge {settings['ridge']:g}", **style)
    for place, expected, value, spread in zip(SAMPLES, theory, mean, error, strict=True):
        off, uncertain = value / expected - 1.0, spread / expected
        print(f"{'Gaussian':16} {place:6g} {expected:10.5f} {value:10.5f} {off:+8.1%} +- {uncertain:.1%}")
    verdict = ode_sgd.compare(curve, gaussian)
    print(f"Gaussian inputs of the same spectrum, ridge {settings['ridge']:g}: {verdict.verdict}", flush=True)
    return verdict.outcome != "disagree"


def along_samples(model: sl.RandomFeatures, settings: dict[str, Any], samples: Array) -> Array:
    """Theory at these numbers of samples."""
    return model.loss(samples=samples, **settings)


def along_features(model: sl.RandomFeatures, settings: dict[str, Any], features: Array) -> Array:
    """Theory at these numbers of features."""
    return model.loss(features=features, **settings)


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where theory and training differ by more than is allowed."""
    folder.mkdir(exist_ok=True, parents=True)
    patches = Patches()
    task, noise = patches.task, patches.task.label_noise
    model = sl.RandomFeatures(task)
    print(f"{task.modes} modes; linear in the features: {task.initial_loss:.4f} of {np.var(patches.labels):.4f}")
    figure = Figure(figsize=(13.0, 4.2), layout="constrained")
    spectrum, data, width = figure.subplots(1, 3)
    k = np.arange(1, task.modes + 1)
    spectrum.loglog(k, task.eigenvalues, color=COLOURS[0], label=r"eigenvalue $\lambda_k$")
    spectrum.loglog(
        k, np.cumsum(task.teacher_power[::-1])[::-1], color=COLOURS[1], label=r"target beyond, $\sum_{l\geq k}\tau_l$"
    )
    spectrum.set(xlabel="mode  $k$", ylabel="dimensionless", title="measured spectrum and target")
    print(f"{'':16} {'':6} {'theory':>10} {'trained':>10}")
    worst, holds = 0.0, True
    for number, ridge in enumerate((WEAK, STRONG)):
        settings = {"features": None, "ridge": ridge, "label_noise": noise}
        found = measured(patches, SAMPLES, None, ridge)
        loss: Loss = partial(along_samples, model, settings)
        worst = max(worst, beside(data, f"ridge {ridge:g}", SAMPLES, loss, found, number))
        holds &= control(data, model, settings, number)
    for number, D in enumerate((80, 480), start=1):
        settings = {"samples": D, "ridge": WEAK, "label_noise": noise}
        found = measured(patches, np.array([D]), FEATURES, WEAK)
        loss = partial(along_features, model, settings)
        worst = max(worst, beside(width, f"D = {D} samples", FEATURES, loss, found, number))
    data.set(xlabel="samples  $D$", title=f"{POOL} features")
    width.set(xlabel="projected features  $P$", title=f"random projections of them, ridge {WEAK:g}")
    for panel in (data, width):
        panel.set(xscale="log", yscale="log", ylabel=r"loss  $L$  (dimensionless)")
        panel.xaxis.set_minor_formatter(NullFormatter())
    for panel in (spectrum, data, width):
        panel.legend(frameon=False, fontsize="small")
    ode_sgd.plots.save_figure(figure, folder / "real_features.png", task)
    print(f"largest deviation {worst:.1%}; figure  {folder / 'real_features.png'}")
    return 0 if holds and worst <= ALLOWED else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
