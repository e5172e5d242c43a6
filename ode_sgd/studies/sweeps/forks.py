"""The process that workers of this machine are forked from, with everything imported already.

A worker is there in a tenth of a second then, also in place of one that died, and not in two. Nothing but imports
happens in that process, on one thread, so that a fork of it is safe.
"""

import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver, resource_tracker

FORKS = sys.platform == "linux"
METHOD = "forkserver" if FORKS else "spawn"
READY = "ode_sgd.studies.sweeps.ready"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def start_fork_server() -> None:
    """Start it, and return at once; nothing where processes are not forked, or where it runs already.

    It and all that is forked from it never hear Ctrl-C (ready.py says why): what blocks a signal hands that on.
    """
    if not FORKS:
        return
    multiprocessing.get_context("forkserver").set_forkserver_preload([READY])
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))  # what is forked cannot change them any more
    resource_tracker.ensure_running()  # `forkserver` would do so, and it unblocks what is blocked
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
