"""Names that do not exist, and those that were probably meant: the same words for keywords and for keys of files."""

import functools
import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, TypeVar, cast

from ode_sgd.core.errors import UnknownKeyword

# The letters of the formulas, for those who type them.
LETTERS = {
    "eta": "learning_rate",
    "k": "student_units",
    "m": "teacher_units",
    "n": "dimension",
    "l": "distinct",
    "sigma": "label_noise",
    "lr": "learning_rate",
    "noise": "label_noise",
    "kappa": "weight_decay",
    "eta_v": "second_layer_rate",
    "kappa_v": "second_layer_decay",
    "batch": "batch_size",
    "optimiser": "optimizer",
    "momentum": "optimizer",
    "adam": "optimizer",
    "adagrad": "optimizer",
    "polyak": "optimizer",
    **dict.fromkeys(("loss", "loss_function", "criterion", "dropout", "label_flips", "flip_probability"), "rule"),
    **dict.fromkeys(("clip", "clipping", "clip_norm", "gradient_clipping", "max_norm"), "rule"),
}

LONGEST = 120  # letters of a keyword that are compared with others

# Where a keyword is at home: whoever gives it elsewhere is told.
HOMES = {
    "Problem": (
        "spectrum student_units teacher_units learning_rate activation teacher_activation output student_weights "
        "teacher_weights label_noise gradient_flow trainable weight_decay batch_size second_layer_rate "
        "second_layer_decay spherical optimizer rule"
    ),
    "Spectrum": "eigenvalues weights",
    "Spectrum.power_law": "distinct beta trace",
    "OrderParameters.random": "dimension student_scale teacher_scale seed",
    "OrderParameters.from_weights": "J B",
    "simulate": "dimension replicas seed inputs held_out threads checkpoint partial",
    "integrate": "rtol atol moments sectors nodes method stop continues",
    "integrate_batch": "threads",
    "run_sweep": "jobs shard cluster runs_per_file dashboard",
    "Sweep": "axes zip",
    "collect_sweep": "columns quantities",
    "fit_power_law": "window after plateaus",
    "Schedule.power": "initial exponent time",
    "Schedule.warmup_stable_decay": "peak warmup decay_from",
    "theory.symmetric_saddle": "branch",
    "plots.paper_figure": "aspect letters rows",
    "plots.plot_error": "labels colours styles legend symbols",
    "scaling_laws.PowerLawTask": "capacity source modes",
    "scaling_laws.FeatureLearning": "gamma width",
    "scaling_laws.RandomFeatures.loss": "ridge",
}

# What papers use and the package does not have, as the README's "Not covered" calls it.
NOT_COVERED = {
    "other optimisers": "rmsprop preconditioner nesterov beta1 beta2",
    "regularisers": "l1 l2 regularizer regulariser regularization regularisation",
    "biases": "bias biases student_bias teacher_bias student_biases teacher_biases",
    "more than two layers": "layers depth hidden_layers",
    "more than one output": "outputs output_units classes",
    "repeated samples": "epochs passes",
    "GPUs": "gpu device cuda backend",
}

# What others call a keyword whose value is another number here: how it is had.
CONVERTED = {
    ("HeavyBall", "momentum"): "give friction = N (1 - momentum) for N inputs: momentum is 1 - friction / N",
    ("HeavyBall", "beta"): "give friction = N (1 - beta) for N inputs: beta is 1 - friction / N",
    ("Adam", "beta2"): "give second_moment_rate = N (1 - beta2) for N inputs: beta2 is 1 - second_moment_rate / N",
    ("Adam", "beta_2"): "give second_moment_rate = N (1 - beta_2) for N inputs: beta_2 is 1 - second_moment_rate / N",
    ("Adam", "betas"): "give second_moment_rate = N (1 - beta2) for N inputs; a first moment, beta1, is not covered",
}

MADE_BY = ("__init__", "__new__")  # the latter of named tuples

Target = TypeVar("Target", bound=Callable[..., Any])


def own_keywords(target: Target) -> Target:
    """Decorates functions and classes: an unknown keyword is an UnknownKeyword, the nearest or its home named.

    Of a class that is how it is made, and every public method. What takes any keyword stays as it is: it says itself
    which ones it does not know.
    """
    if isinstance(target, type):
        for name, member in list(vars(target).items()):
            if name in MADE_BY or not name.startswith("_"):
                _check_member(target, name, member)
        return target
    return cast(Target, _checked(target, target.__qualname__))


def _check_member(owner: type, name: str, member: Any) -> None:
    """Puts the checked form of a method in its place; whatever else a class holds is left alone."""
    called = owner.__name__ if name in MADE_BY else f"{owner.__name__}.{name}"
    if isinstance(member, classmethod | staticmethod):
        setattr(owner, name, type(member)(_checked(member.__func__, called)))
    elif inspect.isfunction(member):
        setattr(owner, name, _checked(member, called))


def _checked(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    code = inspect.unwrap(function).__code__  # signatures take long enough to be felt when the package is loaded
    if code.co_flags & inspect.CO_VARKEYWORDS:
        return function
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    parameters = [key for key in names if key not in ("self", "cls", "_cls")]
    known = frozenset(parameters)

    @functools.wraps(function)
    def checked(*arguments: Any, **keywords: Any) -> Any:
        if not known.issuperset(keywords):
            unknown = next(key for key in keywords if key not in known)
            raise unknown_keyword(name, unknown, parameters)
        return function(*arguments, **keywords)

    return checked


def not_covered(name: str) -> str:
    """What a keyword of this name would stand for, if it is something that the package does not have; else empty."""
    return next((what for what, keys in NOT_COVERED.items() if name.lower() in keys.split()), "")


def homes_of(name: str) -> list[str]:
    """What has a keyword of this name, or of the name that its letter stands for."""
    meant = LETTERS.get(name.lower(), name)
    return [f"{home}({meant}=...)" for home, keys in HOMES.items() if meant in keys.split()]


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that was probably meant."""
    valid, name = list(valid), name[:LONGEST]
    letter = LETTERS.get(name.lower())
    if letter in valid:
        return letter
    close = get_close_matches(name.lower(), valid, n=1)
    return close[0] if close else None


def no_attribute(module: str, name: str, valid: Iterable[str]) -> AttributeError:
    """The error for a name that a module does not have, with the one that was probably meant."""
    lower = {one.lower(): one for one in valid}
    close = get_close_matches(name[:LONGEST].lower(), lower, n=1)
    hint = f" (did you mean {lower[close[0]]!r}?)" if close else ""
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}")


def unknown_keyword(function: str, name: str, valid: Iterable[str], elsewhere: str = "") -> UnknownKeyword:
    """The error for a keyword that a function does not have.

    Parameters
    ----------
    function, name : str
    valid : iterable of str
        The keywords that it has.
    elsewhere : str
        Where what is wanted can be had; empty: the nearest name, or if there is none all of them.
    """
    valid = list(valid)
    near, homes = nearest(name, valid), homes_of(name)
    elsewhere = elsewhere or CONVERTED.get((function, name), "")
    missing = "" if homes else not_covered(name)
    if not elsewhere and missing:
        elsewhere = f'the package does not cover {missing}: see "Not covered" in its README'
    if not elsewhere and homes and not (near and LETTERS.get(name.lower()) == near):
        elsewhere = f"give it to {' or '.join(homes)}"
    if elsewhere:
        hint = f"; {elsewhere}"
    elif near:
        hint = f" (did you mean {near!r}?)"
    else:
        hint = f"; it has {', '.join(valid[:12]) or 'none'}" + (" and others" if len(valid) > 12 else "")
    return UnknownKeyword(f"{function} has no keyword {name!r}{hint}")
