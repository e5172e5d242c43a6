"""Every public error survives a copy and the way to another process."""

import copy
import pickle

import pytest

import ode_sgd
from ode_sgd import OdeSgdError, StudyError
from ode_sgd.core import errors

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, OdeSgdError)]


def test_all_of_them_are_public():
    assert {kind.__name__ for kind in CLASSES} <= set(ode_sgd.__all__)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copied_error_says_the_same(kind, copied):
    error = StudyError("study.toml", ["one", "other"]) if kind is StudyError else kind("what was given")
    error.add_note("and when")
    other = copied(error)
    assert type(other) is kind
    assert str(other) == str(error)
    assert vars(other) == vars(error)
