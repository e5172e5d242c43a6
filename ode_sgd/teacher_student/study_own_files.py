"""Files of the user's that a study names: activations, rules and arrays. Each kind stands for itself by a digest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ode_sgd.teacher_student import study_files
from ode_sgd.teacher_student.model import activation, rule_file, rule_tables

RULE = "problem.rule"
KEYS = ("problem.activation", "problem.teacher_activation", RULE, *study_files.FILES)


def located(name: str, value: Any, folder: Path | None) -> Any:
    """What stands for the value of a key, also within the table of a rule; None for `folder` lets no file be run."""
    if name in study_files.FILES:
        return study_files.located(name, value, folder)
    if name == RULE:
        return rule_tables.located(value, folder)
    if name.startswith(f"{RULE}."):
        return rule_tables.located({name.rpartition(".")[2]: value}, folder)[name.rpartition(".")[2]]
    return activation.located(value, folder)


def carried(values: Sequence[Any]) -> list[list[str]]:
    """The users' own among them as texts: three for arrays, four for activations, five for rules, two of them empty."""
    texts = list(dict.fromkeys(rule_tables.texts_in(list(values))))
    own = [list(activation.carried(one)) for one in activation.of_this_process() if one.text in texts]
    rules = [[*found, "", ""] for text in texts if (found := rule_file.carried(text))]
    return own + rules + study_files.carried(texts)


def take(carried: Any) -> None:
    """Load activations and rules, and read arrays, that another process had `carried`."""
    for one in carried or ():
        if len(one) == 5:
            rule_file.restored(*one[:3])
        else:
            (study_files.take if len(one) == 3 else activation.restored)(*one)
