#!/usr/bin/env bash
# CPython 3.10 to 3.13: a program started with `python -m` that catches a KeyboardInterrupt ends by SIGINT at its own
# sys.exit(130), if the interrupt came up out of an exec of a text (as dataclasses, named tuples, Numba and many imports
# run them). As a file, or after another exec, the same program exits with 130. To a shell's `wait` both are 130; to
# subprocess, SLURM and batch systems one is killed by signal 2, and bash ends a script around it.
# Seen with 3.10.13, 3.11.7, 3.12.1 and 3.13.0 on Linux: module -2, file 130, module with exec 130.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/program.py" <<'PROGRAM'
import sys

try:
    exec("raise KeyboardInterrupt")
except KeyboardInterrupt:
    pass
if "again" in sys.argv:
    exec("")
sys.exit(130)
PROGRAM
cd "$folder"
"${PYTHON:-python3}" - <<'CHECK'
import platform
import subprocess
import sys

seen = [
    subprocess.run([sys.executable, *words]).returncode
    for words in (["-m", "program"], ["program.py"], ["-m", "program", "again"])
]
print(f"CPython {platform.python_version()}: module {seen[0]}, file {seen[1]}, module with exec {seen[2]}")
sys.exit(seen != [-2, 130, 130])
CHECK
