#!/usr/bin/env bash
# dask-jobqueue 0.9.0: the same arguments make a job of SLURM, PBS and LSF ask for its cores and its memory, and one of
# Grid Engine for neither: `cores` and `memory` reach only the worker's command line. So a job of 4 processes is put into
# one slot, beside others, and no error comes of it; `resource_spec` sets memory, and only `job_extra_directives` cores.
# Seen with dask-jobqueue 0.9.0, dask and distributed 2026.8.0 on CPython 3.11.7, Linux:
# slurm cores True memory True; pbs cores True memory True; lsf cores True memory True; sge cores False memory False
# sge's worker is told: --nthreads 1 --memory-limit 1.86GiB --nworkers 4
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet dask-jobqueue==0.9.0 dask==2026.8.0 distributed==2026.8.0
cat > "$folder/program.py" <<'PROGRAM'
import re
import sys

from dask_jobqueue import lsf, pbs, sge, slurm

asked = {"cores": 4, "processes": 4, "memory": "8GB", "python": "python"}
forms = {  # how each system's manual writes 4 cores, and 8 GB in whatever unit
    "slurm": (slurm.SLURMJob, r"--cpus-per-task=4", r"--mem=\d"),
    "pbs": (pbs.PBSJob, r"ncpus=4", r"mem=\d"),
    "lsf": (lsf.LSFJob, r"-n 4", r"-M \d"),
    "sge": (sge.SGEJob, r"-pe \w+ 4|\b4\b", r"=[\d.]+[KMGkmg]"),
}
seen = {}
for name, (job, cores, memory) in forms.items():
    script = job(scheduler="tcp://driver:8786", name="worker", **asked).job_script()
    head = "\n".join(line for line in script.splitlines() if re.match(r"#(SBATCH|PBS|BSUB|\$) ", line))
    seen[name] = (bool(re.search(cores, head)), bool(re.search(memory, head)))
told = re.search(r"--nthreads.*--nworkers \d+", script)[0]  # the last is Grid Engine's
print("; ".join(f"{name} cores {found[0]} memory {found[1]}" for name, found in seen.items()))
print(f"sge's worker is told: {told}")
expected = {"slurm": (True, True), "pbs": (True, True), "lsf": (True, True), "sge": (False, False)}
sys.exit(not (seen == expected and "--nworkers 4" in told))
PROGRAM
cd "$folder"
environment/bin/python program.py
