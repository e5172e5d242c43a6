"""Tests under other BLAS kernels and another processor: results may not depend on the machine at hand.

python -m tests.processors [PATHS]      (default the tests of theory, analysis, model and equivalence; half an hour)

OpenBLAS runs the kernel that OPENBLAS_CORETYPE names where the processor can; each is asked, in a process of its own,
which one it really runs. NUMBA_CPU_NAME=generic makes Numba compile for any processor of the architecture, into a cache
of its own. One line a configuration; exit status 1 if a test failed or the package's numbers cannot be had.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATHS = [
    "tests/teacher_student/theory",
    "tests/teacher_student/findings",
    "tests/teacher_student/model",
    "tests/analysis",
    "tests/core",
    "tests/equivalence",
]
CORETYPES = {
    "x86_64": ["Haswell", "SkylakeX", "Zen", "Sandybridge", "Nehalem", "Cooperlake", "SapphireRapids", "Prescott"],
    "aarch64": ["ARMV8", "NEOVERSEN1", "NEOVERSEV1", "CORTEXA57", "THUNDERX2T99"],
}
ASK = """
import json, numpy, threadpoolctl
numpy.eye(3) @ numpy.eye(3)
print(json.dumps([one.get("architecture") for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]))
"""
FEWEST = 2  # kernels without which nothing is compared
PATIENCE = 120.0  # seconds for a process to say which kernel it runs


def environment(**more: str) -> dict[str, str]:
    """That of this process, for the sources here."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", **more}


def running(coretype: str) -> str | None:
    """The BLAS kernel that really runs where that one is asked for; None where the process dies or there is none."""
    settings = environment(OPENBLAS_CORETYPE=coretype) if coretype else environment()
    try:
        asked = subprocess.run(
            [sys.executable, "-c", ASK], env=settings, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    found = json.loads(asked.stdout) if asked.returncode == 0 else []
    return next((name for name in found if name), None)


def kernels() -> dict[str, str]:
    """Kernel that runs -> value of OPENBLAS_CORETYPE that gives it, the machine's own (value "") first."""
    found: dict[str, str] = {}
    for coretype in ["", *CORETYPES.get(platform.machine(), [])]:
        name = running(coretype)
        if name is None:
            print(
                f"skipped OPENBLAS_CORETYPE={coretype or '(unset)'}: no OpenBLAS, or not on this processor", flush=True
            )
        elif name in found:
            print(f"skipped OPENBLAS_CORETYPE={coretype}: runs {name}, as before", flush=True)
        else:
            found[name] = coretype
    return found


def tested(title: str, paths: list[str], **settings: str) -> bool:
    """Run the tests; print the line of one configuration."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *paths]
    run = subprocess.run(command, cwd=ROOT, env=environment(**settings), capture_output=True, text=True, check=False)
    words = [line for line in run.stdout.splitlines() if " passed" in line or " failed" in line or " error" in line]
    summary = words[-1].strip("= ") if words else f"pytest ended with {run.returncode}"
    print(
        f"{'green' if run.returncode == 0 else 'RED  '} {title}: {summary} ({time.monotonic() - began:.0f} s)",
        flush=True,
    )
    if run.returncode:
        print("\n".join(line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), flush=True)
    return run.returncode == 0


def main(paths: list[str]) -> int:
    """Every configuration that this machine has."""
    found = kernels()
    green = len(found) >= FEWEST
    print(f"{len(found)} BLAS kernels: {', '.join(found) or 'none'}{'' if green else '; at least two are needed'}")
    for name, coretype in found.items():
        own = {"OPENBLAS_CORETYPE": coretype} if coretype else {}
        green &= tested(f"BLAS kernel {name}{'' if coretype else ' (the machine as it is)'}", paths, **own)
    with tempfile.TemporaryDirectory() as cache:
        green &= tested("NUMBA_CPU_NAME=generic", paths, NUMBA_CPU_NAME="generic", ODE_SGD_CACHE_DIR=cache)
    return 0 if green else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or PATHS))
