"""Activations as values: what one is called, what it can do, and its compiled functions."""

import importlib.util
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem, StorageError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.kernels import averages
from ode_sgd.teacher_student.kernels.coefficients.mixtures import Level, Mixture
from ode_sgd.teacher_student.model import activation_check, activation_file

KNOWN = re.compile(r"(.+)@([0-9a-f]{16})", re.DOTALL)  # text of a user's activation: name and digest
MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
OWN = "; an activation of your own is given by its file, such as 'mine.py'"


class ActivationNotLoaded(InvalidProblem):
    """A user's own activation whose functions this process does not have: a file of results runs no code."""

    def __init__(self, text: str, remedy: str, file: str) -> None:
        super().__init__(text, remedy, file)

    @property
    def reason(self) -> str:
        """Why, and what to do about it: a stored run can then be asked again."""
        told = f"activation = {self.args[0]!r} is a user's own, whose file this process has not loaded"
        remedy = f"load it first: {self.args[1]}, or --activation {self.args[2]} on the command line"
        return f"{told}; stored runs do not load it, so {remedy}"

    def __str__(self) -> str:
        return self.reason


@own_keywords
@dataclass(frozen=True, slots=True)
class Activation:
    """An activation g, of this package or of a user's own file. Equal ones have the same name and content.

    Made by `Activation.named`, `Activation.from_file` or `Activation.from_module`. What a file supplies is said in
    ode_sgd/teacher_student/kernels/averages/__init__.py; it is run, and checked, once in a process.

    Attributes
    ----------
    name : str
        That of the file, without its ending.
    digest : str
        16 hexadecimal digits of the SHA-256 of a user's file and of the numbers that it takes from elsewhere. Empty for
        an activation of this package, which belongs to the package's version.
    path : Path or None
        Where the file was read; None for one of this package, and for one that a stored run names.

    Notes
    -----
    A run that was stored knows its activation by name and digest. No code is run to load it; the functions are there
    once the same file has been loaded in this process, and until then all capabilities are False.

    Examples
    --------
    >>> activation = ode_sgd.Activation.of("erf")
    >>> activation.name, activation.is_linear, activation.has_near_teacher_form
    ('erf', False, True)
    """

    name: str
    digest: str = ""
    path: Path | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, value: Any, folder: str | Path = "") -> "Activation":
        """The activation of whatever `Problem` takes for one; files count from `folder`.

        Raises
        ------
        InvalidProblem
            If there is none, or its file has faults.
        """
        if isinstance(value, Activation):
            return value
        if isinstance(value, os.PathLike):
            return cls.from_file(Path(folder) / value)
        if isinstance(value, str):
            if names_code(value) and _is_file(value):
                return cls.from_file(Path(folder) / Path(value).expanduser())
            if names_code(value):
                return cls.from_module(value)
        return cls.named(value)

    @classmethod
    def named(cls, name: str) -> Self:
        """An activation of this package, or, by the text "name@digest", one that this process has loaded or may load.

        No file of a user's is run.

        Raises
        ------
        InvalidProblem
            If there is none of this name.
        """
        known = KNOWN.fullmatch(name) if isinstance(name, str) else None
        if known:
            return cls(known[1], known[2], activation_file.path_of(known[1], known[2]))
        try:
            return cls(check.choice("activation", name, averages.available()))
        except InvalidProblem as error:
            raise InvalidProblem(f"{error}{OWN}") from None

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """The activation of a file of Python, which is run.

        Raises
        ------
        InvalidProblem
            If the file cannot be read or run, naming all functions that are missing, and those that contradict `value`.
        """
        try:
            place = check.path("activation", path).absolute()
        except StorageError as error:
            raise InvalidProblem(str(error)) from None
        return cls(place.stem, activation_file.load(place), place)

    @classmethod
    def from_module(cls, name: str) -> Self:
        """The activation whose file is the module of that dotted name, found where Python imports from.

        Raises
        ------
        InvalidProblem
            If there is no such module, and as `from_file`.
        """
        try:
            spec = importlib.util.find_spec(name)
        except Exception as error:  # the packages above it are run
            raise InvalidProblem(f"activation = {name!r}: no such module ({type(error).__name__}: {error})") from None
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            told = f"activation = {name!r}: Python finds no file of such a module"
            raise InvalidProblem(f"{told}; give its name as it is imported, or the path of a file, such as 'mine.py'")
        return cls.from_file(spec.origin)

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        """A user's activation takes its source with it: another process need not have the file."""
        return restored, carried(self)

    @property
    def text(self) -> str:
        """What names it in files: its name, with the digest behind it if it is a user's own."""
        return f"{self.name}@{self.digest}" if self.digest else self.name

    @property
    def identity(self) -> str:
        """What a problem's identity depends on: the name of one of this package, the content of a user's own."""
        return f"sha256:{self.digest}" if self.digest else self.name

    @property
    def variant(self) -> str:
        """Tells its kernels from those of others, in the linker and in the cache."""
        return f"{activation_file.identifier(self.name)}_{self.digest}" if self.digest else self.name

    @property
    def functions(self) -> Any:
        """The file's compiled functions, by their names.

        Raises
        ------
        InvalidProblem
            If it is a user's own that this process has not loaded.
        """
        found = self._file
        if found is None:
            others = activation_file.other_digests(self.name, self.digest)
            edited = f"; the {self.name}.py that was loaded is another ({', '.join(others)})" if others else ""
            file = f"{self.name}.py"
            raise ActivationNotLoaded(self.text, f"ode_sgd.Activation.from_file('{file}')", f"{file}{edited}")
        return found

    def check(self) -> None:
        """Compile all functions that every activation has, which takes some seconds.

        To load a file checks in plain Python what they give; what the compiler makes of them is seen here, or else
        in the midst of the first run.

        Raises
        ------
        InvalidProblem
            Naming every function that cannot be compiled, with what the compiler says.
        """
        faults = activation_check.uncompiled(self.functions, self.in_lanes)
        if faults:
            raise InvalidProblem(f"activation = {self.text!r}: {'; '.join(faults)}")

    def _states(self, name: str) -> Any:
        """What the file states, None where it does not or is not loaded."""
        return getattr(self._file, name, None)

    def _states_all(self, names: Iterable[str]) -> bool:
        """Whether the file states all of these."""
        file = self._file
        return all(getattr(file, name, None) for name in names)

    @property
    def _file(self) -> Any:
        """The functions, None where they are not loaded."""
        return activation_file.loaded(self.name, self.digest) if self.digest else averages.load(self.name)

    @property
    def in_lanes(self) -> bool:
        """Whether its averages work on vectors, so that many runs are integrated side by side."""
        return bool(self._states("IN_LANES"))

    @property
    def has_constant_slope(self) -> bool:
        """Whether g' is the same everywhere."""
        return bool(self._states("CONSTANT_SLOPE"))

    @property
    def is_even(self) -> bool:
        """Whether g(-x) = g(x), so that overlaps with the teachers never grow from zero."""
        return bool(self._states("EVEN"))

    @property
    def is_linear(self) -> bool:
        """Whether g(x) = x, of which nearly everything is known exactly."""
        return bool(self._states("IDENTITY"))

    @property
    def has_near_teacher_form(self) -> bool:
        """Whether it has averages of differences, for errors far below rounding."""
        return self._states_all(averages.DIFFERENCES)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The sums of error functions that stand for it, by tolerance from the coarsest; empty where there are none."""
        return tuple(self._states("MIXTURES") or ())

    @property
    def mixture(self) -> Mixture | None:
        """Terms of which its coefficients are made; None where its averages are closed forms of its own."""
        finest = self.levels[-1].terms if self.levels else None
        if finest is None or len(finest.scales) == 1:
            return None
        return Mixture(finest, finest, (finest, finest))

    def within(self, rtol: float) -> Any:
        """What takes its place in steps of that tolerance: itself, or fewer terms (model/activation_pair.py)."""
        if self.mixture is None:
            return self
        from ode_sgd.teacher_student.model.activation_pair import ActivationPair

        return ActivationPair(student=self, teacher=self).within(rtol)

    @property
    def terms_accuracy(self) -> float:
        """What its sum of error functions leaves of errors in its averages, as a fraction; 0 where it has none."""
        return 0.0 if self.mixture is None else self.levels[-1].accuracy

    @property
    def has_pair_sums(self) -> bool:
        """Whether it has sums over all pairs of fields, for large networks."""
        return self._states_all(averages.PAIR_SUMS)

    @property
    def has_matrix_form(self) -> bool:
        """Whether the coefficients of large networks are products of matrices."""
        return self._states_all(averages.MATRIX_FORM)

    @property
    def has_whole_coefficients(self) -> bool:
        """Whether it has A, G and their derivatives as a whole, for averages that share their work."""
        return self._states_all(averages.WHOLE)

    @property
    def symmetric(self) -> bool:
        """Whether D is symmetric: that of a gradient is."""
        return True

    @property
    def has_kink(self) -> bool:
        """Whether g' jumps at 0, so that nothing has a derivative where a student is zero or two are parallel."""
        return bool(self._states("KINK"))

    @property
    def has_plateau_forms(self) -> bool:
        """Whether it has closed forms of the symmetric plateau."""
        return self._states_all(activation_file.PLATEAU)

    @property
    def accuracy(self) -> float:
        """Relative error of its averages; 0 where it is that of rounding.

        The `resolution` of a run says what it leaves of eps_g; an `rtol` below it bounds the error of the steps alone.
        """
        return float(self._states("ACCURACY") or 0.0)


def names_code(text: str) -> bool:
    """Whether a text is the name of a file or a module, rather than that of an activation."""
    if text in averages.available() or KNOWN.fullmatch(text):
        return False
    return _is_file(text) or MODULE.fullmatch(text) is not None


def _is_file(text: str) -> bool:
    return text.endswith(".py") or "/" in text or os.sep in text


def carried(activation: Activation) -> tuple[str, str, str, str]:
    """Name, digest, path and source: plain texts from which another process has the same activation."""
    path = "" if activation.path is None else str(activation.path)
    return activation.name, activation.digest, path, activation_file.source_of(activation.name, activation.digest)


def restored(name: str, digest: str, path: str, source: str) -> Activation:
    """The activation of what was `carried`; its source is run unless this process has it already."""
    if source and activation_file.loaded(name, digest) is None:
        activation_file.load_source(source, Path(path or f"{name}.py"), name)
    return Activation(name, digest, Path(path) if path else None)


def of_this_process() -> list[Activation]:
    """The users' own activations that this process has loaded, for the processes that work for it."""
    return [Activation(name, digest, path) for name, digest, path in activation_file.all_loaded()]


def located(value: Any, folder: Path | None) -> Any:
    """What a study file gives for an activation, with a user's own by name and digest; all else as it is.

    Raises
    ------
    InvalidProblem
        If the file has faults, and for any file where `folder` is None: a sweep's folder has none run.
    """
    if not isinstance(value, str | os.PathLike | Activation) or (isinstance(value, str) and not names_code(value)):
        return value
    if folder is None:
        raise InvalidProblem(f"activation = {str(value)!r} is a file, and no folder of a sweep has one run")
    return Activation.of(value, folder).text
