"""Models by name, by file and by module: what a study file calls its model, and the class that this is.

A name is one of the package's own or an entry point of the group `ode_sgd.models`; nothing is imported before it is
asked for.
"""

import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.model import Model

DEFAULT = "teacher_student"  # the model of study files and files of results that name none
MODELS = {
    DEFAULT: "ode_sgd.teacher_student.study_model:TeacherStudent",
    "feature_learning": "ode_sgd.scaling_laws.study_feature_learning:FeatureLearningStudy",
    "random_features": "ode_sgd.scaling_laws.study_random_features:RandomFeaturesStudy",
    "resource_model": "ode_sgd.scaling_laws.study_resource_model:ResourceStudy",
}
FORMATS = {DEFAULT: "ode_sgd.teacher_student.file_format:TrajectoryFormat"}  # of those with files of their own kind
GROUP = "ode_sgd.models"  # entry points of other distributions
FILE = re.compile(r"(.+\.py)\s*:\s*(\w+)")
MODULE = re.compile(r"([A-Za-z_][\w.]*)\s*:\s*(\w+)")
TAKEN = ("model", "sweep", "collect")  # what stands at the top of study files and sweep files besides tables
NEEDED = ("name", "tables", "theory")
FORMS = 'give a name, "path/file.py:Class" or "module:Class"'


@own_keywords
def find_model(given: str = DEFAULT, folder: str | Path | None = None) -> Model:
    """The model of a name, or of a class in a file or a module.

    Parameters
    ----------
    given : str
        A registered name, "path/file.py:Class" or "module:Class". A file is run.
    folder : path-like or None
        Where paths count from; None is the current folder.

    Raises
    ------
    InvalidProblem
        For an unknown name, a file or module without that class, or a class that lacks what a model needs.

    Examples
    --------
    >>> ode_sgd.find_model("teacher_student").name
    'teacher_student'
    """
    if not isinstance(given, str):
        raise InvalidProblem(f"model = {shown(given)} is no text; {FORMS}")
    text = located(given, folder)
    if file := FILE.fullmatch(text):
        return _from_file(Path(file[1]), file[2])
    if module := MODULE.fullmatch(text):
        return _from_module(module[1], module[2], f"model = {shown(given)}")
    return _registered(text)


def located(given: str, folder: str | Path | None = None) -> str:
    """The same model from everywhere: a path is made absolute, all else is as it was given."""
    file = FILE.fullmatch(given.strip())
    if file is None:
        return given.strip()
    return f"{(Path(folder or '.') / Path(file[1]).expanduser()).absolute()}:{file[2]}"


def names_code(given: str) -> bool:
    """Whether this names a class by file or module, rather than a registered model."""
    return bool(FILE.fullmatch(given.strip()) or MODULE.fullmatch(given.strip()))


def registered() -> dict[str, str]:
    """Name -> import string of the package's own models and of those that other distributions register."""
    from importlib.metadata import entry_points  # which takes a while, and most commands can do without

    return {entry.name: entry.value for entry in entry_points(group=GROUP)} | MODELS


def _registered(name: str) -> Model:
    known = MODELS if name in MODELS else registered()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"
        raise InvalidProblem(f"model = {shown(name)}: unknown model ({hint}); {FORMS}")
    module, _, of_module = known[name].partition(":")
    model = _from_module(module.strip(), of_module.split("[")[0].strip(), f"the model {name!r}")
    if model.name != name:  # files hold its own name, and would not find it again
        raise InvalidProblem(
            f"the model {name!r}: {known[name]} calls itself {model.name!r}; register it under the name that it has"
        )
    return model


@cache
def _from_module(module: str, name: str, told: str) -> Model:
    try:
        holder = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # another's code may raise anything
        raise InvalidProblem(f"{told}: {module} cannot be imported ({type(error).__name__}: {error})") from error
    return _made(getattr(holder, name, None), name, f"the module {module}", vars(holder))


@cache
def _from_file(path: Path, name: str) -> Model:
    """The model of a class in a file, which is run once in a process."""
    if not path.is_file():
        places = "paths count from a study file's folder, on the command line from the current one"
        raise InvalidProblem(f"model: {path} does not exist; {places}")
    holder, digest = _module_of(path)
    model = _made(getattr(holder, name, None), name, str(path), vars(holder))
    object.__setattr__(model, "source_digest", digest)
    return model


@cache
def _module_of(path: Path) -> tuple[Any, str]:
    """What a file of Python gives when it is run, and its SHA-256.

    It is among the modules, where dataclasses look up annotations.
    """
    module = f"ode_sgd_model_{re.sub(r'[^0-9A-Za-z_]', '_', str(path.with_suffix('')))}"
    spec = importlib.util.spec_from_file_location(module, path)
    assert spec is not None
    holder = importlib.util.module_from_spec(spec)
    sys.modules[module] = holder
    try:
        source = path.read_bytes()  # once: the digest is that of what is run
        exec(compile(source, path, "exec", dont_inherit=True), vars(holder))
    except BaseException as error:
        del sys.modules[module]
        if isinstance(error, Exception | SystemExit):
            raise InvalidProblem(f"model: {path} raised {type(error).__name__}: {error}; mend it") from error
        raise
    return holder, hashlib.sha256(source).hexdigest()


def _made(found: Any, name: str, place: str, names: Mapping[str, Any]) -> Model:
    """An instance of a class, once it is known to have what a model needs."""
    if found is None:
        classes = [key for key, value in names.items() if isinstance(value, type) and value is not Model]
        close = get_close_matches(name, classes, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else f"; it has {', '.join(classes) or 'no class'}"
        raise InvalidProblem(f"model: {place} has no class {name!r}{hint}")
    if not isinstance(found, type):
        raise InvalidProblem(f"model: {name} in {place} is no class; give one derived from ode_sgd.Model")
    lacking = [member for member in NEEDED if getattr(found, member, None) in (None, getattr(Model, member, None))]
    told = f"lacks {', '.join(lacking)}" if lacking else ""
    if not issubclass(found, Model):
        told = f"is not derived from ode_sgd.Model{' and ' if lacking else ''}{told}"
    if told:
        raise InvalidProblem(f"model: {name} in {place} {told}; a model needs {', '.join(NEEDED)}")
    try:
        model: Model = found()
    except Exception as error:
        told = f"model: {name}() in {place} raised {type(error).__name__}: {error}"
        raise InvalidProblem(f"{told}; a model is made without arguments") from error
    fault = _malformed(model)
    if fault:
        raise InvalidProblem(f"model: {name} in {place}: {fault}")
    return model


def _malformed(model: Any) -> str:
    """What is wrong with the name or the tables of a model."""
    if not (isinstance(model.name, str) and model.name):
        return f"name = {shown(model.name)}; give a text"
    if not (isinstance(model.tables, Mapping) and model.tables):
        return f"tables = {shown(model.tables)}; give a dictionary: name of a table -> callable"
    if not (isinstance(model.symbols, Mapping) and all(isinstance(text, str) for text in model.symbols.values())):
        return f"symbols = {shown(model.symbols)}; give a dictionary: name of a column or key -> text"
    for table, target in model.tables.items():
        if not isinstance(table, str) or "." in table or table in TAKEN:
            return f"tables has {shown(table)}; give texts without a point, other than {', '.join(TAKEN)}"
        several = list(target.values()) if isinstance(target, Mapping) else [target]
        if not (several and all(map(callable, several))):
            return f"tables[{table!r}] = {shown(target)}; give a callable, or several by `kind`"
    return ""
