"""Prepares a worker of this machine for work: imported by it, or by the process that it is forked from.

Everything that a worker needs is loaded, so that what is forked has it at once. And it hears neither Ctrl-C nor the
hangup of a terminal, which go to all processes of a command: the driver decides what becomes of that, and ends the
workers. One that heard it itself would die in the middle of dask's own affairs, with a traceback for each.
"""

import gc
import importlib
import signal
import threading

from ode_sgd.core.interruption import TO_ALL
from ode_sgd.core.registry import DEFAULT, MODELS

LOADED = ("distributed.nanny", "ode_sgd.studies.sweeps.dispatch", MODELS[DEFAULT].partition(":")[0])


def _load() -> None:
    """Load everything without the garbage collector: it would take a third of the time and find nothing.

    What is there by then it need not look at later, either.
    """
    gc.disable()
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()


if threading.current_thread() is threading.main_thread():  # no other thread may set handlers
    for number in TO_ALL:
        signal.signal(number, signal.SIG_IGN)
_load()
