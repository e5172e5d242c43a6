"""Rows of a data matrix as the inputs of a simulation: checked against the problem, in the eigenbasis."""

from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.inputs import Decomposition, decomposed
from ode_sgd.core.principal_axes import PrincipalAxes, turned_rows
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.simulation.methods import AUTO, Sampled


def sampled_rows(
    problem: Problem, data: Any, held_out: Any, dimension: int | None, method: str
) -> tuple[Sampled | None, int]:
    """The method that draws rows of `data` (None without data), with the rows that are held out, and N."""
    if data is None:
        if held_out is not None:
            raise InvalidProblem(
                "held_out without inputs; give both, or leave it out: over Gaussian inputs the error is exact"
            )
        if dimension is None:
            raise InvalidProblem("dimension is missing; give N, an integer >= 1, or a data matrix as inputs")
        return None, check.integer("dimension", dimension, 1)
    if method != AUTO:
        raise InvalidProblem(f"method = {method!r} with inputs; leave it out, rows are drawn as they are")
    found = decomposed(data, "inputs")
    samples, N = found.rows.shape
    if samples < N:
        raise InvalidProblem(f"inputs have {samples} rows for {N} columns that vary; give at least as many rows")
    if dimension is not None and check.integer("dimension", dimension, 1) != N:
        raise InvalidProblem(f"dimension = {dimension}, but inputs have {N} columns that vary; leave it out")
    _check_spectrum(problem, found)
    return Sampled(found.rows, _held_out(problem, found, data, held_out)), N


def _check_spectrum(problem: Problem, found: Decomposition) -> None:
    """Raise InvalidProblem unless the data's spectrum is the problem's."""
    values, N = found.principal.values, found.kept.size
    expected = np.repeat(problem.spectrum.eigenvalues, np.rint(problem.spectrum.weights * N).astype(np.int64))
    allowed = 1e-6 * values + 1e-12 + found.principal.levels  # equal ones up to rounding are merged there
    if expected.size != N or (np.abs(expected - values) > allowed).any():
        raise InvalidProblem(
            "the inputs' spectrum is not the problem's; make it with Spectrum.from_data(inputs), whose tolerance, if "
            "you give one, may not exceed 1e-6 here"
        )


def _held_out(problem: Problem, found: Decomposition, data: Any, held_out: Any) -> Array | None:
    """Other rows in the columns of the data, turned as these are."""
    if held_out is None:
        return None
    axes = PrincipalAxes(
        spectrum=problem.spectrum,
        vectors=found.vectors,
        kept=found.kept,
        mean=found.mean,
        scale=found.scale,
        features=int(np.shape(data)[1]),
    )
    return turned_rows(axes, "held_out", held_out)
