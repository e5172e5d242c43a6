"""Scripts that tell NumPy to raise (`np.seterr(all="raise")`) get the numbers that all others get."""

import numpy as np
import pytest

from tests.equivalence.answers import ANSWERS, before, close


@pytest.mark.parametrize("name", [name for name, entry in ANSWERS.items() if entry.fast or "DOP853" in name])
def test_nothing_changes(name):
    """Also where SciPy's own steps underflow."""
    for setting, answer in before(name):
        with np.errstate(all="raise"):
            found = ANSWERS[name].of(setting)
        close(found, answer, 0.0, name)
