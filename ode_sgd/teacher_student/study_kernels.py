"""What calls the compiled kernels of a study, cut short: the work of `ode-sgd warm`."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ode_sgd.core.compile import news
from ode_sgd.core.interruption import check_interrupted
from ode_sgd.core.model import Tables, Values
from ode_sgd.teacher_student.integration.sector_system import shape_of
from ode_sgd.teacher_student.simulation.chain import LANES
from ode_sgd.teacher_student.simulation.simulate import simulate
from ode_sgd.teacher_student.study_data import widths
from ode_sgd.teacher_student.study_tables import Simulation

if TYPE_CHECKING:
    from ode_sgd.teacher_student.study_model import TeacherStudent

LONG = 2.0  # seconds of a run, without those of compiling: it has come to all kernels by then, or will not soon
COMMONEST: dict[str, Values] = {
    "spectrum": {"kind": "isotropic"},
    "problem": {"student_units": 2, "teacher_units": 2, "learning_rate": 0.2},
    "start": {"kind": "random", "dimension": 1000},
    "integration": {"alpha": 1e6},  # to the difference form, and far into it
    "simulation": {"dimension": 1000, "replicas": LANES[-1], "method": "reduced"},
}

Work = Callable[[], object]


def of_study(model: "TeacherStudent", tables: Tables, *, look: bool) -> list[Work]:
    """First steps of the ODE, all of it, and two steps of the simulation."""
    alone = without_simulation(tables)
    found: list[Work] = [partial(_integrate, model, shortened(alone)), partial(_integrate, model, alone, look=look)]
    return found + _simulations(model, tables, tables.get("simulation"))


def of_commonest(model: "TeacherStudent", tables: Tables, *, look: bool) -> list[Work]:
    """As `of_study`, and what `integrate_batch` and the explicit simulator need."""
    explicit = replace(tables["simulation"], method="explicit")
    alone = without_simulation(tables)
    found = of_study(model, tables, look=look)
    return [*found, *of_sweep(model, alone, whole=True, look=False), *_simulations(model, tables, explicit)]


def of_sweep(model: "TeacherStudent", tables: Tables, *, whole: bool, look: bool) -> list[Work]:
    """Of a run of a sweep: its first steps; as `whole` all of it, or as much as may be needed."""
    found: list[Work] = [partial(_begin, model, tables)]
    batched, alone = model.is_batched(tables), without_simulation(tables)
    if whole and not batched:
        found += [partial(_integrate, model, alone), *_simulations(model, tables, tables.get("simulation"))]
    elif whole and not model.is_long(tables):
        found.append(partial(_integrate_alike, model, tables))
    return [*found, partial(_integrate, model, alone, look=True)] if look else found


def _simulations(model: "TeacherStudent", tables: Tables, settings: Simulation | None) -> list[Work]:
    """Two steps of a simulation by every kernel that its replicas may have, on whatever number of threads."""
    if settings is None:
        return []
    few = shortened(with_parts(tables, simulation=settings))
    # Those for 16 take any group from 2 to 16 replicas, those for 32 are taken for 32 only.
    return [
        partial(_simulate, model, few, min(n, settings.replicas))
        for n in widths(tables["problem"], settings)
        if settings.replicas >= {16: 2}.get(n, n)
    ]


def _begin(model: "TeacherStudent", tables: Tables) -> None:
    few = shortened(tables)
    if model.is_batched(few):
        _integrate_alike(model, few)
        return
    runs = [model.theory(few, lambda fraction: None)]
    arguments = model.simulation_arguments(few)
    if arguments is not None:
        runs.append(simulate(**arguments, threads=1))
    check_interrupted(runs)


def _integrate_alike(model: "TeacherStudent", tables: Tables) -> None:
    check_interrupted(model.theory_many([tables], lambda fraction: None))


class _Long(Exception):
    """A run that has gone on long enough."""


def _integrate(model: "TeacherStudent", tables: Tables, *, look: bool = False) -> None:
    """The ODE of a study, unless it takes long; and a look at it, for which theory calls kernels, too."""
    began = time.perf_counter()
    with news.watched(shape_of(tables["problem"]), all_threads=True) as watch:

        def progress(fraction: float) -> None:
            if time.perf_counter() - began - watch.seconds > LONG:
                raise _Long

        run = model.theory(tables, progress)
        check_interrupted([run])
        if look:
            from ode_sgd.teacher_student.findings.findings import (
                findings,  # it loads a part of SciPy, which no run needs
            )

            findings(run)


def _simulate(model: "TeacherStudent", tables: Tables, replicas: int) -> None:
    arguments = model.simulation_arguments(tables)
    assert arguments is not None
    check_interrupted([simulate(**arguments | {"replicas": replicas}, threads=1)])


def without_simulation(tables: Tables) -> Tables:
    """The same study without its simulation."""
    return Tables({name: tables[name] for name in tables if name != "simulation"}, tables.config)


def with_parts(tables: Tables, **parts: object) -> Tables:
    """The same study with other parts."""
    return Tables({**tables.parts, **parts}, tables.config)


def shortened(tables: Tables) -> Tables:
    """The same study, over in no time."""
    integration, simulation = tables["integration"], tables.get("simulation")
    if simulation is None:
        return with_parts(tables, integration=replace(integration, alpha=(0.0, 1e-6)))
    alpha = (0.0, 2.0 / simulation.dimension)
    return with_parts(
        tables,
        integration=replace(integration, alpha=alpha),
        simulation=replace(simulation, alpha=alpha, replicas=1),
    )
