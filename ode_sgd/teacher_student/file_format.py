"""How trajectories lie in a file: schema 1, as it was before other models had files.

    /       eigenvalue, weight (sector); attributes on the whole run
    /ode    the integrated trajectory      | either may be missing, not both
    /mc     the simulated ones, with a leading replica dimension

No variable repeats a dimension: the two student axes of Q are `student` and `student_2`.
"""

import json
from collections.abc import Mapping
from typing import Any

from ode_sgd.core.errors import StorageError
from ode_sgd.core.run import Observable, Run
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.storage.run_format import Entries, Entry, RunFormat, Value
from ode_sgd.teacher_student.model import observables as named
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive
from ode_sgd.teacher_student.model.optimizers.optimizer import Optimizer
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import Sectors, Trajectory

BY_SECTOR = ("eigenvalues", "weights")  # of the canonical problem; in a file they are arrays


class TrajectoryFormat(RunFormat):
    """Trajectories, and their problems."""

    names_model = False

    def problem_json(self, runs: Mapping[str, Run]) -> str:
        """The problem, and how it was given for each of the runs; what has one number a sector lies in arrays.

        Two problems that are the same dynamics may be written differently (weights given, or by preset).
        """
        problems = {group: _trajectory(run).problem for group, run in runs.items()}
        first = next(iter(problems.values()))
        canonical = {name: value for name, value in first.canonical.items() if name not in BY_SECTOR}
        given = {group: problem.stored for group, problem in problems.items()}
        return json.dumps({"canonical": canonical, "fields": given})

    def problem_arrays(self, problem: Any) -> dict[str, Observable]:
        """The spectrum."""
        values = {named.EIGENVALUE: problem.spectrum.eigenvalues, named.WEIGHT: problem.spectrum.weights}
        return {name: named.observable(name, value) for name, value in values.items()}

    def attributes(self, run: Run) -> dict[str, Value]:
        """Nothing: names say what arrays are."""
        return {}

    def names(self, attributes: Mapping[str, Any]) -> tuple[str, str]:
        """Time and error."""
        return named.TIME, named.ERROR

    def arrays(self, run: Run) -> dict[str, Observable]:
        """Time, error, overlaps and last state."""
        trajectory = _trajectory(run)
        own = {named.TIME: trajectory.alpha, named.ERROR: trajectory.generalization_error}
        others = own | named.final_arrays(trajectory.final)
        found = {name: named.observable(name, values) for name, values in others.items()}
        first = {name: found.pop(name) for name in own}
        return {**first, **trajectory.observables, **found}

    def dimension_text(self, name: str) -> str:
        """The long name of a dimension."""
        return named.DIMENSIONS[name]

    def entries(self, attributes: Mapping[str, Any]) -> Entries:
        """What a name means."""

        def entry(name: str) -> Entry | None:
            known = named.entry(name)
            return None if known is None else (*known, "1")

        return entry

    def ordered(self, attributes: Mapping[str, Any], variables: Mapping[str, Observable]) -> dict[str, Observable]:
        """In any order: a trajectory sorts its overlaps."""
        return dict(variables)

    def sizes(self, fields: Mapping[str, Any], root: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
        """L, K and M."""
        K, M = fields["student_units"], fields["teacher_units"]
        (L,) = root[named.EIGENVALUE]
        optimizer = Optimizer.of(fields.get("optimizer"))
        copies = None if optimizer is None else optimizer.copies
        held = 0 if copies is None else copies.count * K
        others = {"copy": held, "copy_or_teacher": held + M}
        own = {"sector": L, "student": K, "student_2": K, "teacher": M, "teacher_2": M} | (others if held else {})
        names = optimizer.names(K) if isinstance(optimizer, Adaptive) else ()
        return own | ({named.REMEMBERED_ENTRY: len(names)} if names else {})

    def restore(self, attributes: Mapping[str, Any], variables: Mapping[str, Observable]) -> Trajectory:
        """The trajectory that was stored."""
        arrays = {name: variable.values for name, variable in variables.items()}
        others = {name: attributes[name] for name in attributes if name not in GIVEN}
        spectrum = Spectrum(arrays[named.EIGENVALUE], arrays[named.WEIGHT])
        sectors = named.sectors_of(arrays)
        problem = Problem.of_stored(spectrum, attributes["problem"].canonical)
        return Trajectory(
            **others,
            problem=problem,
            alpha=arrays[named.TIME],
            generalization_error=arrays[named.ERROR],
            moments=named.moments_of(arrays),
            sectors=None if sectors is None else Sectors(*sectors),
            final=named.final_of(arrays, problem.update_rule.copies),
            held_out_error=arrays.get(named.HELD_OUT),
            student_weights=arrays.get(named.SECOND_LAYER),
            copies=arrays.get(named.COPIES),
            remembered=arrays.get(named.REMEMBERED),
        )


GIVEN = ("problem", "time_name", "error_name", "model")  # attributes that a trajectory has by itself


def _trajectory(run: Run) -> Trajectory:
    if not isinstance(run, Trajectory):
        raise StorageError(f"the run says that it is of the model {run.model!r}, but is a {type(run).__name__}")
    return run
