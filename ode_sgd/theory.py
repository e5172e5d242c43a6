"""`from ode_sgd.theory import plateau_height`: the theory of the teacher-student model under its public name."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("ode_sgd.teacher_student.theory")
