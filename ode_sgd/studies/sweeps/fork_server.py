"""The process that workers of this machine are forked from, with everything loaded already.

A worker is there in a tenth of a second then, also in place of one that died, and not in two. That process does nothing
but load, on one thread, so that a fork of it is safe. It is not the one that a program may use for other things: what
is forked from it hears neither Ctrl-C nor SIGHUP, and has one thread for linear algebra.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker

from ode_sgd.core.errors import StudyError
from ode_sgd.core.interruption import TO_ALL

HAS_FORKS = sys.platform == "linux"
METHOD = "forkserver" if HAS_FORKS else "spawn"
WORKER_SETUP = "ode_sgd.studies.sweeps.worker_setup"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_SERVER = forkserver.ForkServer()
_OTHERS = forkserver.connect_to_new_process


def start_fork_server() -> None:
    """Start it, and return at once; nothing where processes are not forked, or where it runs already.

    Raises
    ------
    StudyError
        If it cannot be started.
    """
    if not HAS_FORKS:
        return
    _SERVER.set_forkserver_preload([WORKER_SETUP])
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))  # what is forked cannot change them any more
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, TO_ALL)  # handed on to all that comes from here
    try:
        resource_tracker.ensure_running()  # the server would do so, and it unblocks what is blocked
        signal.pthread_sigmask(signal.SIG_BLOCK, TO_ALL)
        _SERVER.ensure_running()
    except OSError as error:
        told = f"{error}; is TMPDIR = {os.environ.get('TMPDIR', '')!r} writable, and shorter than 80 letters?"
        raise StudyError("-j", [f"the processes cannot be started: {told}"]) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def forked_from_it() -> Iterator[None]:
    """In here multiprocessing's method "forkserver" takes its processes from it."""
    forkserver.connect_to_new_process = _SERVER.connect_to_new_process
    try:
        yield
    finally:
        forkserver.connect_to_new_process = _OTHERS
