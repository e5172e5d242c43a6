"""What is said and shown of the runs of a model: by the model itself, or as it is done for all of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ode_sgd.core.errors import ComparisonError, InvalidProblem
from ode_sgd.core.model import Model, Target
from ode_sgd.core.registry import find_model, registered
from ode_sgd.core.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ode_sgd.analysis.agreement import Agreement

ACTIVATION, RULE = "activation", "rule"  # what keys are called whose values may be in a user's file


def compared(model: Model, theory: Run, simulation: Run) -> "tuple[Agreement | None, str]":
    """The agreement of theory and simulation, or None and why there is none."""
    found = model.compare(theory, simulation)
    if found is not None:
        return found
    from ode_sgd.analysis.agreement import compare_if_possible  # brings SciPy, which no run needs

    return compare_if_possible(theory, simulation)


def agreement_of(model: Model, theory: Run, simulation: Run) -> "Agreement":
    """As `compared`; ComparisonError where there is none."""
    from ode_sgd.analysis.agreement import compare

    found = model.compare(theory, simulation)
    if found is None:
        return compare(theory, simulation)
    agreement, reason = found
    if agreement is None:
        raise ComparisonError(reason)
    return agreement  # type: ignore[no-any-return]


class PlainModel(Model):
    """The model of runs whose own is not at hand: all that is known of them is what their files say."""

    tables: ClassVar[Mapping[str, Target | Mapping[str, Target]]] = {}

    def __init__(self, name: str) -> None:
        self.name = name  # type: ignore[misc]


def model_of(run: Run, given: str | None = None) -> Model:
    """The model of a run from a file: what the user names, or a registered one; no code that the file names is run.

    Raises
    ------
    InvalidProblem
        If the user names none, or one of another name.
    """
    if given is None:
        return find_model(run.model) if run.model in registered() else PlainModel(run.model)
    model = find_model(given)
    if model.name != run.model:
        raise InvalidProblem(f"--model {given} is the model {model.name}, but the file is of the model {run.model}")
    return model


def take_activation(model: Model, given: str | None, config: Mapping[str, Any] | None) -> None:
    """Load the file of a user's activation, which is run, where a file of results is of it.

    Parameters
    ----------
    model : Model
        That of the results.
    given : str or None
        The file, from the current folder, or a module; None for none.
    config : mapping or None
        The study of the results, as far as it is known.

    Raises
    ------
    InvalidProblem
        If the model takes no activation, the file has faults, or the results are of another one.
    """
    if given is None:
        return
    key = next((key for key in model.file_keys if key.rpartition(".")[2] == ACTIVATION), None)
    if key is None:
        raise InvalidProblem(
            f"--activation {given}: the model {model.name} takes no activation from a file; leave it out"
        )
    found, table = model.located(key, given, Path()), (config or {}).get(key.partition(".")[0])
    own = {each.rpartition(".")[2] for each in model.file_keys}
    values = table if isinstance(table, Mapping) else {}
    stored = values.get(ACTIVATION, found)
    if stored != found and found not in (values.get(name) for name in own):
        raise InvalidProblem(
            f"--activation {given} is {found}, but the results are of {stored}; give the file of that one"
        )


def take_rule(model: Model, given: str | None, config: Mapping[str, Any] | None) -> None:
    """Load the file of a user's rule, which is run, where a file of results is of it.

    Parameters
    ----------
    model : Model
        That of the results.
    given : str or None
        "path/file.py:function", from the current folder; None for none.
    config : mapping or None
        The study of the results, as far as it is known.

    Raises
    ------
    InvalidProblem
        If the model takes no rule, the file has faults, or the results are of another one.
    """
    if given is None:
        return
    key = next((key for key in model.file_keys if key.rpartition(".")[2] == RULE), None)
    if key is None:
        raise InvalidProblem(f"--rule {given}: the model {model.name} takes no rule from a file; leave it out")
    found, table = model.located(key, given, Path()), (config or {}).get(key.partition(".")[0])
    if found == given:
        raise InvalidProblem(f"--rule {given} is no function in a file; give FILE.py:FUNCTION")
    if not isinstance(table, Mapping):
        return
    stored = _innermost(table.get(RULE))
    if found != stored:
        told = stored or "no rule"
        raise InvalidProblem(f"--rule {given} is {found}, but the results are of {told}; give the file of that one")


def _innermost(rule: Any) -> Any:
    """What the rule of a study is called, of one around another the one within."""
    while isinstance(rule, Mapping):
        rule = rule.get(RULE, rule.get("name"))
    return rule


def figure_of(model: Model, theory: Run | None, simulation: Run | None, *, analysis: bool = False) -> "Figure":
    """The figure of a study, or of its analysis."""
    found = model.figure(theory, simulation, analysis=analysis)
    if found is not None:
        return found
    from ode_sgd.analysis.plots import analysis_figure, run_figure

    return (analysis_figure if analysis else run_figure)(theory, simulation)
