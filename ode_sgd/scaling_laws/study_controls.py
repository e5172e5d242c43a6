"""What moves the keys of the scaling-law models in the explorer."""

from collections.abc import Iterable, Mapping

from ode_sgd.core.control import CHOICE, LOGARITHMIC, NUMBER, SLIDER, Control

LARGEST = 2**31  # of whole numbers that are counted up and down


def _count(label: str, *, low: int = 1, initial: int | None = None) -> Control:
    return Control(form=NUMBER, label=label, low=low, high=LARGEST, whole=True, initial=initial)


CONTROLS: Mapping[str, Control] = {
    "task.kind": Control(form=CHOICE, label="task", choices=("power_law", "torus")),
    "task.capacity": Control(form=SLIDER, label="capacity a", low=1.05, high=3.0, step=0.05, initial=1.5),
    "task.source": Control(form=SLIDER, label="source b", low=0.05, high=3.0, step=0.05, initial=0.5),
    "task.dimension": _count("dimension d of the torus", initial=1),
    "task.smoothness": Control(form=SLIDER, label="smoothness s", low=0.1, high=4.0, step=0.1, initial=1.0),
    "task.modes": _count("modes"),
    "student.gamma": Control(form=LOGARITHMIC, label="feature learning γ", low=0.001, high=100.0, step=0.05),
    "student.width": _count("width N"),
    "student.samples": _count("samples"),
    "training.kind": Control(form=CHOICE, label="training", choices=("flow", "sgd")),
    "training.times": Control(form=LOGARITHMIC, label="last time t", low=1.0, high=1e6, step=0.05),
    "training.steps": _count("steps"),
    "training.learning_rate": Control(
        form=LOGARITHMIC, label="learning rate η", low=1e-4, high=1.0, step=0.05, initial=0.01
    ),
    "training.batch_size": _count("examples a step"),
    "regression.kind": Control(form=CHOICE, label="what grows", choices=("samples", "features")),
    "regression.samples": _count("samples"),
    "regression.features": _count("features"),
    "regression.ridge": Control(form=LOGARITHMIC, label="ridge", low=1e-6, high=10.0, step=0.05),
    "regression.label_noise": Control(form=SLIDER, label="label noise σ", low=0.0, high=1.0, step=0.01),
    "subtasks.kind": Control(form=CHOICE, label="subtasks", choices=("explicit", "power_law")),
    "subtasks.capacity": Control(form=SLIDER, label="capacity a", low=1.05, high=3.0, step=0.05, initial=1.5),
    "subtasks.source": Control(form=SLIDER, label="source b", low=0.05, high=3.0, step=0.05, initial=0.5),
    "subtasks.modes": _count("subtasks", initial=1000),
    "subtasks.variances": Control(label="variances", initial=[1.0, 0.5]),
    "subtasks.noise_variances": Control(label="noise variances", initial=[1.0, 1.0]),
    "sharing.neurons": _count("neurons"),
    "simulation.replicas": _count("replicas of the simulation"),
    "simulation.seed": _count("seed of the simulation", low=0),
}


def controls_among(keys: Iterable[str]) -> dict[str, Control]:
    """The controls of those keys that a model has."""
    known = set(keys)
    return {key: control for key, control in CONTROLS.items() if key in known}
