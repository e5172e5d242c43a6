"""Beginning an exploration: of a problem, of a study, or of the study that `ode-sgd init` writes."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ode_sgd.core.errors import InvalidProblem, OdeSgdError
from ode_sgd.core.given import shown
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.model import SIMULATION
from ode_sgd.core.registry import DEFAULT, find_model, registered
from ode_sgd.explorer.server import Explorer
from ode_sgd.explorer.state import Origin
from ode_sgd.studies.study_file import Study, load_tables, override_key, parse_study, parsed
from ode_sgd.studies.tables import Values
from ode_sgd.studies.template import template_of
from ode_sgd.studies.validation import MODEL


@own_keywords
def explore(
    study: Any = None,
    *,
    model: str | None = None,
    port: int = 0,
    prefix: str = "",
    origins: Sequence[str] = (),
    browser: bool = True,
    wait: bool | None = None,
) -> Explorer:
    """Show a study in the browser: its curves, computed anew while its parameters are moved.

    Needs the extra `explore`. The page is served to this machine only, at an address with a token.

    Parameters
    ----------
    study : Problem, path, dict, or None
        A problem, with a start and times to begin with; a study file, or its tables as a dictionary; None is the study
        that `ode-sgd init` writes.
    model : str or None
        Where `study` is None, the model whose study that is, as `find_model` takes it.
    port : int
        0 is any free one.
    prefix : str
        What a proxy leaves before the path of the page, such as "user/me/proxy/absolute/5006".
    origins : sequence of str
        Hosts from whose pages browsers connect, besides this machine: that of a JupyterHub.
    browser : bool
        Whether the page is opened.
    wait : bool or None
        Whether to return only when the server has ended, by Ctrl-C. None does so in a script, and not at a prompt or
        in a notebook, where the server ends with `stop` or with the process.

    Returns
    -------
    Explorer
        With `address` and `stop`.

    Raises
    ------
    StudyError, InvalidProblem
        If there is no such study, or it has faults.
    ExplorerError
        If the extra is not installed, or the port is taken.

    Examples
    --------
    >>> shown = ode_sgd.explore(problem, browser=False, wait=False)
    >>> shown.address.startswith("http://127.0.0.1:")
    True
    >>> shown.stop()
    """
    origin = origin_of(study, model)
    explorer = Explorer(origin, usual_simulation(origin), port=port, prefix=prefix, origins=origins)
    if browser:
        explorer.open()
    if wait if wait is not None else not _at_a_prompt():
        print(explorer.address, flush=True)
        try:
            explorer.wait()
        except KeyboardInterrupt:
            explorer.stop()
    return explorer


def origin_of(given: Any = None, model: str | None = None, overrides: Iterable[str] = ()) -> Origin:
    """Where an exploration begins; `overrides` are "table.key=value" each.

    Raises
    ------
    StudyError, InvalidProblem
        As `explore`.
    """
    folder, source = None, "study"
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        tables, folder, source = load_tables(path), path.parent, str(path)
    elif isinstance(given, Study):
        tables = given.config
    elif isinstance(given, Mapping):
        tables = {name: dict(value) if isinstance(value, Mapping) else value for name, value in given.items()}
    elif given is None:
        tables = _template(model)
    else:
        tables = _of_problem(given)
    faults: list[str] = []
    for override in overrides:
        override_key(tables, override, faults)
    study = parse_study(tables, source, faults, folder=folder)
    return Origin(model=study.model, tables=tables, folder=folder, source=source)


def usual_simulation(origin: Origin) -> Values | None:
    """The table [simulation] of the study file that `ode-sgd init` writes for the same model."""
    try:
        found = parsed(template_of(origin.tables.get(MODEL), (origin.folder or Path()) / "study.toml")).get(SIMULATION)
    except (ValueError, OdeSgdError):
        return None
    return dict(found) if isinstance(found, Mapping) else None


def _template(model: str | None) -> Values:
    tables = parsed(template_of(model, Path("study.toml")))
    return tables if model is None or MODEL in tables else {MODEL: model, **tables}


def _of_problem(problem: Any) -> Values:
    """The tables of a problem, and what it lacks from its model's own study."""
    for name in (DEFAULT, *(other for other in registered() if other != DEFAULT)):
        model = find_model(name)
        found = model.tables_of(problem)
        if found is not None:
            usual = parsed(model.template())
            head = {} if name == DEFAULT else {MODEL: name}
            lacking = {table: usual[table] for table in usual if table not in found and table != SIMULATION}
            return {**head, **lacking, **found}
    raise InvalidProblem(
        f"study = {shown(problem)}; give an ode_sgd.Problem, a study file, its tables as a dictionary, or nothing"
    )


def _at_a_prompt() -> bool:
    """Whether somebody types at Python: in a terminal, IPython or a notebook."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive) or hasattr(sys.modules["builtins"], "__IPYTHON__")
