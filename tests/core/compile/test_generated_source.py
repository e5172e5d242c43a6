"""Functions from text: they do what it says, and whoever looks for the text finds it."""

import inspect
import os
import subprocess
import sys
import textwrap
import traceback

import pytest

from ode_sgd.core.compile import generated_source
from ode_sgd.core.compile.generated_source import defined_by, name_in
from ode_sgd.teacher_student.kernels.simulation.weight_pass import columns_text

TEXT = "def quotient(x, y):\n    scale = 2.0\n    return factor * x / (scale - y)\n"

CHAIN = """
import traceback
import numpy as np
from ode_sgd import Activation
from ode_sgd.teacher_student.kernels.simulation.chain import step_kernels
fields, steps = step_kernels(Activation("erf"), 1, 1, 1)
try:
    fields(1, np.zeros(0), np.zeros(1), np.zeros(1), np.zeros(1))
except IndexError:
    traceback.print_exc()
"""


def test_the_function_knows_the_names_that_it_is_given():
    function = defined_by(TEXT, "quotient", __name__="somewhere", factor=3.0)
    assert function(4.0, 0.0) == 6.0
    assert (function.__name__, function.__module__) == (name_in(TEXT), "somewhere")


def test_a_traceback_shows_the_generated_line():
    function = defined_by(TEXT, "quotient", factor=3.0)
    with pytest.raises(ZeroDivisionError) as caught:
        function(1.0, 2.0)
    shown = "".join(traceback.format_tb(caught.tb))
    assert 'File "<quotient>", line 3, in quotient' in shown
    assert "return factor * x / (scale - y)" in shown


def test_the_source_can_be_asked_for():
    assert inspect.getsource(defined_by(TEXT, "quotient", factor=3.0)) == TEXT


def test_another_text_needs_another_title():
    defined_by("def one():\n    return 1\n", "one of two")
    defined_by("def one():\n    return 1\n", "one of two")
    with pytest.raises(ValueError, match="another text has the title 'one of two'"):
        defined_by("def one():\n    return 2\n", "one of two")


def test_kernels_that_are_written_out_show_their_lines_without_the_compiler():
    """A block of no random numbers: the first line that reads one is the one at fault."""
    settings = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", CHAIN], env=settings, capture_output=True, text=True, check=False)
    where, line = done.stderr.partition('File "<fields, K1M1-1>", line ')[2].splitlines()[:2]
    assert where.endswith(", in fields"), done.stderr
    assert "= g[" in line


def test_the_docstring_shows_what_is_written_for_one_student_and_one_teacher():
    assert textwrap.indent(columns_text(1, 1), "    ") in generated_source.__doc__
