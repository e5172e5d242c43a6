#!/usr/bin/env bash
# dask-jobqueue 0.9.0: to import it replaces the handler of SIGINT, for the whole process, by one that ends it: after
# `import dask_jobqueue` Ctrl-C is SystemExit in place of KeyboardInterrupt, and a handler that a program has set before
# is gone without a word. In any other thread than the main one the import fails.
# Seen with dask-jobqueue 0.9.0, dask and distributed 2026.8.0 on CPython 3.11.7, Linux:
# handler kept: False; Ctrl-C raises SystemExit; in a thread: ValueError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet dask-jobqueue==0.9.0 dask==2026.8.0 distributed==2026.8.0
cat > "$folder/program.py" <<'PROGRAM'
import signal
import sys
import threading

import distributed  # leaves signals alone


def own(*_):
    raise KeyboardInterrupt


fault = []


def in_a_thread():
    try:
        import dask_jobqueue  # noqa: F401
    except ValueError as error:
        fault.append(type(error).__name__)


thread = threading.Thread(target=in_a_thread)
thread.start()
thread.join()
for name in [name for name in sys.modules if name.startswith("dask_jobqueue")]:
    del sys.modules[name]
signal.signal(signal.SIGINT, own)
import dask_jobqueue  # noqa: E402, F401

kept = signal.getsignal(signal.SIGINT) is own
try:
    signal.raise_signal(signal.SIGINT)
except BaseException as error:
    raised = type(error).__name__
print(f"handler kept: {kept}; Ctrl-C raises {raised}; in a thread: {', '.join(fault) or 'fine'}")
sys.exit((kept, raised, fault) != (False, "SystemExit", ["ValueError"]))
PROGRAM
cd "$folder"
environment/bin/python program.py
