#!/usr/bin/env bash
# dask-jobqueue 0.9.0: what `bsub` says when it refuses a job (an unknown queue, a missing project) is thrown away before
# Python sees it: the script is handed over by a shell command that ends in `2> /dev/null`. The error that comes has an
# exit code and two empty texts. SLURM's and PBS's words arrive.
# Seen with dask-jobqueue 0.9.0, dask and distributed 2026.8.0 on CPython 3.11.7, Linux, and a command that refuses:
# sbatch: refusal heard True; qsub: refusal heard True; bsub: refusal heard False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet dask-jobqueue==0.9.0 dask==2026.8.0 distributed==2026.8.0
mkdir "$folder/bin"
for command in sbatch qsub bsub; do
    printf '#!/bin/sh\necho "no such queue: long" >&2\nexit 255\n' > "$folder/bin/$command"
    chmod +x "$folder/bin/$command"
done
cat > "$folder/program.py" <<'PROGRAM'
import asyncio
import sys

from dask_jobqueue import lsf, pbs, slurm

heard = {}
for kind in (slurm.SLURMJob, pbs.PBSJob, lsf.LSFJob):
    job = kind(scheduler="tcp://driver:8786", name="worker", cores=1, processes=1, memory="1GB", queue="long")
    try:
        asyncio.run(job.start())
    except RuntimeError as error:
        assert "Exit code: 255" in str(error)
        heard[job.submit_command] = "no such queue" in str(error)
print("; ".join(f"{name}: refusal heard {found}" for name, found in heard.items()))
sys.exit(heard != {"sbatch": True, "qsub": True, "bsub": False})
PROGRAM
cd "$folder"
PATH="$folder/bin:$PATH" environment/bin/python program.py
