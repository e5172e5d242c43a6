"""The trajectories of a sweep's runs: one run by itself, or many of one shape side by side."""

from collections.abc import Sequence

from ode_sgd.storage.checkpoint import Checkpoint
from ode_sgd.studies.execution import Progress, integrated, simulation_arguments
from ode_sgd.studies.study_file import Study
from ode_sgd.teacher_student.integration import many_side_by_side
from ode_sgd.teacher_student.integration.integrate import checked_nodes
from ode_sgd.teacher_student.integration.integrate_batch import integrate_batch
from ode_sgd.teacher_student.simulation.simulate import simulate
from ode_sgd.teacher_student.trajectory import Trajectory


def batched(study: Study) -> bool:
    """Whether runs like this go through `integrate_batch`: the others are computed one by one."""
    plan = study.integration
    if study.simulation is not None or plan.method != "rodas5p":
        return False
    nodes = None if plan.nodes == "whole" else plan.nodes
    return checked_nodes(study.problem, nodes, plan.sectors, plan.method, plan.rtol) is None


def side_by_side(study: Study) -> bool:
    """Whether several such runs take the vector lanes that one of them leaves empty."""
    return batched(study) and many_side_by_side.suits(study.problem, study.integration.sectors)


def trajectories(study: Study, checkpoint: Checkpoint | None, progress: Progress) -> tuple[Trajectory, ...]:
    """The ODE, and the simulation where the study has one and the ODE came to its end; on one thread."""
    if batched(study):  # by the same door as many of them: a run's numbers must not depend on which runs share a file
        return tuple(integrate_alike([study]))
    return one_by_one(study, checkpoint, progress)


def one_by_one(study: Study, checkpoint: Checkpoint | None, progress: Progress) -> tuple[Trajectory, ...]:
    """As `trajectories`, by `integrate` and `simulate`, which can be stopped in between."""
    start = study.start.overlaps(study.problem)
    simulation = simulation_arguments(study, start)
    ode = integrated(study, start, simulation, progress)
    if simulation is None or ode.status != "complete":
        return (ode,)
    sgd = simulate(**simulation, threads=1, progress=lambda fraction: progress("SGD", fraction), checkpoint=checkpoint)
    return ode, sgd


def integrate_alike(studies: Sequence[Study]) -> list[Trajectory]:
    """Integrations of one shape and one grid, side by side."""
    plan = studies[0].integration
    return integrate_batch(
        [study.problem for study in studies],
        [study.start.overlaps(study.problem) for study in studies],
        plan.times,
        rtol=plan.rtol,
        atol=plan.atol,
        moments=plan.moments,
        sectors=plan.sectors,
        threads=1,
    )


def check_interrupted(found: Sequence[Trajectory]) -> None:
    """Solvers return at Ctrl-C what they have; of a sweep's run the whole is kept or nothing: KeyboardInterrupt."""
    if any(trajectory.status == "interrupted" for trajectory in found):
        raise KeyboardInterrupt
