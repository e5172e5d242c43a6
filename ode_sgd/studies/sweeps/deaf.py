"""Imported by workers of this machine alone: they do not hear Ctrl-C.

A terminal sends it to all processes of a command. The driver decides what becomes of it, and ends the workers; one that
heard it itself would die in the middle of dask's own affairs, with a traceback for each.
"""

import signal
import threading

if threading.current_thread() is threading.main_thread():  # no other thread may set handlers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
