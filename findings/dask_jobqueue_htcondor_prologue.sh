#!/usr/bin/env bash
# dask-jobqueue 0.9.0 with HTCondor: `job_script_prologue` is no list of lines there. They are joined with semicolons into
# one argument of `sh -c`, so that a comment hides the worker's command: the job ends at once, with exit status 0, and
# another takes its place. And the argument passes HTCondor's own macros before a shell: $(hostname), a word by itself,
# becomes nothing, without a warning, while $(echo node), of two words, is left to the shell, as backquotes are. The other
# systems take all of it as it is written.
# Seen with dask-jobqueue 0.9.0, dask and distributed 2026.8.0, htcondor 23.10.29 on CPython 3.11.7, Linux:
# plain: the worker starts True, NODE=node; comment: the worker starts False, exit status 0
# one word: the worker starts True, NODE=; two words: the worker starts True, NODE=node
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet dask-jobqueue==0.9.0 dask==2026.8.0 distributed==2026.8.0 htcondor==23.10.29
cat > "$folder/program.py" <<'PROGRAM'
import re
import subprocess
import sys

import htcondor
from dask_jobqueue.htcondor import HTCondorJob

asked = {"cores": 1, "processes": 1, "memory": "1GB", "disk": "1GB", "python": "echo NODE=$NODE worker"}
prologues = {
    "plain": ["export NODE=node"],
    "comment": ["# where this job runs", "export NODE=node"],
    "one word": ["export NODE=$(hostname)"],
    "two words": ["export NODE=$(echo node)"],
}
seen = {}
for name, lines in prologues.items():
    job = HTCondorJob(scheduler="tcp://driver:8786", name="worker", job_script_prologue=lines, **asked)
    (described,) = htcondor.Submit(job.job_script()).jobs(count=1, clusterid=1, procid=0, owner="me")
    # One argument after -c: each space of it stands in quotes of its own, by HTCondor's rules.
    command = described["Arguments"].removeprefix("-c ").replace("' '", " ").replace("''''", "'")
    done = subprocess.run([described["Cmd"], "-c", command], capture_output=True, text=True, timeout=60)
    found = re.search(r"NODE=(\w*)", done.stdout)
    seen[name] = ("worker" in done.stdout, found[1] if found else None, done.returncode)
for name, (started, node, status) in seen.items():
    print(f"{name}: the worker starts {started}, " + (f"NODE={node}" if started else f"exit status {status}"))
expected = {
    "plain": (True, "node", 0),
    "comment": (False, None, 0),
    "one word": (True, "", 0),
    "two words": (True, "node", 0),
}
sys.exit(seen != expected)
PROGRAM
cd "$folder"
CONDOR_CONFIG=/dev/null environment/bin/python program.py
