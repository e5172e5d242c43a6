"""Data in place of Gaussian inputs in a study's simulation: the keys `inputs` and `held_out`, which name files."""

from typing import Any

from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.given import shown
from ode_sgd.core.model import Values
from ode_sgd.storage.array_file import ONLY
from ode_sgd.teacher_student import study_files
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.simulation.chain import LANES
from ode_sgd.teacher_student.simulation.data_rows import sampled_rows
from ode_sgd.teacher_student.simulation.methods import AUTO, chosen_method
from ode_sgd.teacher_student.study_starts import AnyStart, FileStart
from ode_sgd.teacher_student.study_tables import Simulation


def inputs_and_start(settings: Simulation, start: AnyStart, overlaps: OrderParameters, problem: Problem) -> Values:
    """The arguments of `simulate` that name data, and its start; with data, weights of a file start it as they are."""
    if settings.inputs is None and settings.held_out is None:
        return {"start": overlaps}
    weights = start.weights(problem) if isinstance(start, FileStart) and settings.inputs is not None else None
    found: Values = {"start": overlaps if weights is None else weights}
    for name, text in (("inputs", settings.inputs), ("held_out", settings.held_out)):
        found[name] = None if text is None else study_files.required(text)[ONLY]
    return found


def widths(problem: Problem, settings: Simulation) -> tuple[int, ...]:
    """How many replicas the kernels of a simulation take side by side."""
    if settings.inputs is not None:
        return LANES[:1]
    return chosen_method(problem, problem.spectrum.sector_dimensions(settings.dimension), settings.method).widths


def data_faults(problem: Problem, settings: Simulation) -> list[str]:
    """Where data and the rest of a study contradict each other; none where another process has read the files."""
    if settings.inputs is None and settings.held_out is not None:
        name = shown(study_files.file_of(settings.held_out))
        told = "give inputs as well, or leave it out: over Gaussian inputs the error is exact"
        return [f"[simulation] held_out = {name} without inputs; {told}"]
    if settings.inputs is None:
        return []
    texts = [text for text in (settings.inputs, settings.held_out) if text is not None]
    arrays = [study_files.held(text) for text in texts]
    if None in arrays:
        return []
    rows, *others = [array[ONLY] for array in arrays if array is not None]
    return _rows_faults(problem, settings, rows, others[0] if others else None)


def _rows_faults(problem: Problem, settings: Simulation, rows: Any, held_out: Any) -> list[str]:
    try:
        if settings.method != AUTO:
            return [f"[simulation] method = {settings.method!r} with inputs; leave it out, rows are drawn as they are"]
        _, columns = sampled_rows(problem, rows, held_out, None, AUTO)
    except (InvalidProblem, InvalidStart) as error:
        return [f"[simulation] {error}"]
    if settings.dimension == columns:
        return []
    name = shown(study_files.file_of(str(settings.inputs)))
    told = f"dimension = {settings.dimension}, but inputs = {name} has {columns} columns that vary"
    return [f"[simulation] {told}; give dimension = {columns}"]
