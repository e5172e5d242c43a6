"""Rules of one's own: an update as one function of the fields, from which the ODE and both simulators are made."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.model import rule_file, rule_source

NAME, TEXT = "name", "text"  # keys of a stored rule: what makes it, and its text where that is not the name itself
TABLE = "table_of_rule"  # the attribute of an update that holds what it was made of
LOADED: dict[tuple[str, str], "Rule"] = {}
KNOWN = re.compile(r"(.+)@([0-9a-f]{16})", re.DOTALL)
JUMPS = ("", "y", "xy")  # by the numbers of kernels/rules/node_averages.py
ARGUMENTS = "update(x, y, draw, delta)"
FEWEST, MOST, NUMBERS, MOST_DRAWS = 2**8, 2**17, 125_000, 64  # NUMBERS: of all nodes, which are constants of a kernel


@own_keywords
@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """An update of one's own: J_i <- J_i - (eta / sqrt N) delta_i xi, with delta any function of the fields.

    `Problem(rule=...)` takes it in place of activation, output and label noise; the loss that it returns, averaged, is
    the run's generalization error.

    Parameters
    ----------
    update : callable
        update(x, y, draw, delta) -> loss, in the part of Python that Numba compiles: from the student's fields x (K,),
        the teacher's y (M,) and fresh standard normals draw (draws,) it fills delta (K,) and returns the loss.
    draws : int
        How many normals it takes, 0..64: noise, masks, flips.
    nodes : int
        Nodes of the averages in the ODE, a power of two from 256 to 131072. Their error falls about as 1/nodes;
        `trajectory.stats["nodes_error"]` says what it is.
    seed : int
        Of the nodes.
    jumps : str
        In which fields delta jumps, "" for none, "y" for the teacher's alone, as with its sign, or "xy".
    gradient : bool or None
        Whether delta_i is the derivative of some loss by x_i, at every draw. None: it is found out.

    Raises
    ------
    InvalidProblem
        For anything that is no such function, or outside its range.

    Notes
    -----
    Source: docs/theory/rules.md.

    Examples
    --------
    >>> def perceptron(x, y, draw, delta):
    ...     delta[0] = x[0] - y[0]
    ...     return 0.5 * delta[0] ** 2
    >>> ode_sgd.Rule(perceptron).name
    'perceptron'
    """

    update: Callable[..., float]
    draws: int = 0
    nodes: int = 2**13
    seed: int = 0
    jumps: str = ""
    gradient: bool | None = None
    code: str = field(init=False, repr=False)  # digest of the function and its draws: what simulators depend on
    digest: str = field(init=False, repr=False)  # and of the nodes

    def __post_init__(self) -> None:
        raw = rule_source.plain(self.update)
        if not callable(raw) or not hasattr(raw, "__code__"):
            raise InvalidProblem(f"update = {shown(self.update)} is no function; give {ARGUMENTS}")
        if raw.__code__.co_argcount != 4 or raw.__code__.co_flags & 0x0C:  # *args or **keywords
            names = raw.__code__.co_varnames[: raw.__code__.co_argcount]
            raise InvalidProblem(f"update takes {len(names)} arguments ({', '.join(names)}); it has to be {ARGUMENTS}")
        check.integer("draws", self.draws, 0, MOST_DRAWS)
        check.integer("nodes", self.nodes, FEWEST, MOST)
        if self.nodes & (self.nodes - 1):
            below = 2 ** (self.nodes.bit_length() - 1)
            raise InvalidProblem(f"nodes = {self.nodes} is no power of two; give {below} or {2 * below}")
        check.seed(self.seed)
        check.choice("jumps", self.jumps, JUMPS)
        if self.gradient is not None:
            check.boolean("gradient", self.gradient)
        code = rule_source.digest_of(raw)
        object.__setattr__(self, "code", f"{code}d{self.draws}")
        facts = (code, self.draws, self.nodes, self.seed, self.jumps, self.gradient)
        object.__setattr__(self, "digest", rule_source.digest_of_text(repr(facts)))
        LOADED.setdefault((self.name, self.digest), self)

    @property
    def name(self) -> str:
        """That of the function."""
        raw = rule_source.plain(self.update)
        return str(getattr(self.update, "rule_name", None) or raw.__name__)

    @property
    def text(self) -> str:
        """What names it in files: its name, and the digest of its content."""
        return f"{self.name}@{self.digest}"

    @property
    def loaded(self) -> bool:
        """Whether its function is there; a run that was stored knows it by name alone."""
        return True

    @property
    def is_shipped(self) -> bool:
        """Whether it is one of ode_sgd.rules, and so is the rule within it."""
        table: Any = getattr(self.update, TABLE, None)
        while table is not None and "rule" in table:
            table = table["rule"]
        return table is not None and KNOWN.fullmatch(table[NAME]) is None

    @property
    def stored(self) -> dict[str, Any]:
        """It as plain values, as results have it: what made it with all parameters, and its text."""
        table: dict[str, Any] | None = getattr(self.update, TABLE, None)
        if table is not None:
            return table | {TEXT: self.text}
        own = {"draws": self.draws, "nodes": self.nodes, "seed": self.seed}
        return {NAME: self.text} | own | {"jumps": self.jumps, "gradient": self.gradient}

    @property
    def told(self) -> str:
        """Its name with all parameters, for people."""
        return _told(self.stored)

    def __reduce__(self) -> tuple[Any, ...]:
        """By its function or the file that has that, as Python pickles it; of one of ode_sgd.rules by what made it."""
        maker = getattr(self.update, "maker", None)
        if maker is not None:
            return maker, ()
        options = self.draws, self.nodes, self.seed, self.jumps, self.gradient
        source = rule_file.carried_with(self.update)
        return (_of_source, (source, options)) if source else (Rule, (self.update, *options))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def named(cls, text: str) -> Any:
        """The rule that this process has loaded under "name@digest", or one that is known by that alone."""
        known = KNOWN.fullmatch(text)
        if known is None:
            raise InvalidProblem(f"rule = {text!r} is not the text of a rule, name@digest; give an ode_sgd.Rule")
        return LOADED.get((known[1], known[2])) or StoredRule(known[1], known[2])


def _told(stored: Mapping[str, Any]) -> str:
    """What is stored of a rule, as name(parameter = value, ...)."""
    given = {key: value for key, value in stored.items() if key not in (NAME, TEXT) and value not in (None, "")}
    parts = (f"{key} = {_told(value) if isinstance(value, Mapping) else value}" for key, value in given.items())
    name = str(stored[NAME]).rpartition("@")[0] or stored[NAME]
    return f"{name}({', '.join(parts)})" if given else f"{name}"


def _of_source(source: tuple[str, str, str], options: tuple[Any, ...]) -> Rule:
    """A rule of a user's file, of the text that travelled."""
    return Rule(rule_file.restored(*source), *options)


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A rule of which a stored run says its name, digest and parameters, and not the function. It is read, not run."""

    name: str
    digest: str
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def text(self) -> str:
        """As of `Rule`."""
        return f"{self.name}@{self.digest}"

    @property
    def stored(self) -> dict[str, Any]:
        """As it was read."""
        return dict(self.given) or {NAME: self.text}

    @property
    def told(self) -> str:
        """As of `Rule`, as far as it is known."""
        return _told(self.stored)

    @property
    def loaded(self) -> bool:
        """It is not."""
        return False

    @property
    def missing(self) -> str:
        """Why its function is not there, and what to do, in words."""
        made_by, inner = self.given.get(NAME, self.text), self.given
        while "rule" in inner:
            inner = inner["rule"]
        if self.given and KNOWN.fullmatch(str(inner[NAME])) is None:
            return f"is of another version of the package, whose {made_by} was another; make it anew, as {self.told}"
        return (
            "is a user's own, whose function this process has not loaded; stored runs do not load it, so make the same "
            f"ode_sgd.Rule first, or name its file to the command line, as --rule FILE.py:{self.name}"
        )

    def __str__(self) -> str:
        return self.name
