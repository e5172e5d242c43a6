"""Warnings point to the user's line."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd.core import check, notice
from ode_sgd.core.keywords import own_keywords


def test_calls_of_the_package_are_passed_over():
    """However many of its decorators lie between: each adds calls, in its own file or in those of NumPy."""
    wide = np.random.default_rng(0).standard_normal((20, 3)) * [1.0, 0.0, 1.0]
    for wrap in (lambda call: call, own_keywords, check.underflow_is_zero):

        def asked():
            return ode_sgd.principal_axes(wide)

        with pytest.warns(UserWarning, match="dropped 1 of 3 columns") as caught:
            wrap(asked)()
        assert [one.filename for one in caught] == [__file__]
        assert caught[0].lineno == asked.__code__.co_firstlineno + 1


def test_without_the_package_it_is_the_line_of_the_call():
    with pytest.warns(UserWarning, match="told") as caught:
        notice.warn("told")
    assert caught[0].filename == __file__
