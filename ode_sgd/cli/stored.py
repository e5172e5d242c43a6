"""What commands ask of files of results: their runs, and the model that these are of."""

import argparse
from typing import TYPE_CHECKING

from ode_sgd.core.errors import ComparisonError, StorageError

if TYPE_CHECKING:
    from ode_sgd.core.model import Model
    from ode_sgd.core.run import Run
    from ode_sgd.storage.hdf5 import StoredRun

FROM_HERE = "counting from the current folder"
FORMS = f'name, "path/file.py:Class", {FROM_HERE}, or "module:Class"'
OF_FILE = f"the file's model: {FORMS}, whose code is run; default: a registered one of the name in the file"
OWN_ACTIVATION = f"file of the activation, where that is your own, {FROM_HERE}; it is run"
OWN_RULE = f"FILE.py:FUNCTION of the rule, where that is your own, {FROM_HERE}; the file is run"


def model_of_file(stored: "StoredRun", arguments: argparse.Namespace) -> "Model":
    """The model of a file, with the activation and the rule that the user gives."""
    from ode_sgd.studies.shown import model_of, take_activation, take_rule

    model = model_of(lead(stored), arguments.model)
    take_activation(model, arguments.activation, stored.config)
    take_rule(model, arguments.rule, stored.config)
    return model


def lead(stored: "StoredRun") -> "Run":
    """The theory's run of a file, or if there is none the simulation's."""
    found: Run | None = stored.ode or stored.sgd
    if found is None:
        raise StorageError(f"{stored.path} holds no run")
    return found


def pair(stored: "StoredRun") -> "tuple[Run, Run]":
    """Theory and simulation of one file."""
    if stored.ode is None or stored.sgd is None:
        raise ComparisonError(
            f"{stored.path} holds no {lead(stored).words().theory if stored.ode is None else 'simulation'}; "
            "run a study that has both, with a table [simulation]"
        )
    return stored.ode, stored.sgd
