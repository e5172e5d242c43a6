#!/usr/bin/env bash
# Numba 0.68: the first call of a function that comes whole from the disk cache (cache=True, nothing compiled) first loads
# all that the compiler's typing needs: some two hundred modules, the typed containers and random generators among them
# and, where SciPy is installed, scipy.linalg, which neither program nor function names. That is a quarter of a second of
# every process; a second function from the cache takes a millisecond or two.
# Seen with Numba 0.68.1, SciPy 1.17.1 and NumPy 2.4.6 on CPython 3.11.7, Linux:
# 1 from the cache, 0 compiled, 0.38 s; new modules: 207 (numba.typed.typeddict, scipy.linalg.cython_blas)
# another one: 0.0012 s
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet numba==0.68.1 llvmlite==0.50.0 numpy==2.4.6 scipy==1.17.1
cat > "$folder/program.py" <<'PROGRAM'
import sys
import time

from numba import njit


@njit(cache=True)
def next_number(x):
    return x + 1.0


@njit(cache=True)
def number_before(x):
    return x - 1.0


before = set(sys.modules)
began = time.perf_counter()
assert next_number(1.0) == 2.0
seconds = time.perf_counter() - began
began = time.perf_counter()
assert number_before(1.0) == 0.0
another = time.perf_counter() - began
hits, misses = (sum(counts.values()) for counts in (next_number.stats.cache_hits, next_number.stats.cache_misses))
new = set(sys.modules) - before
named = sorted(new & {"numba.typed.typeddict", "scipy.linalg.cython_blas"})
print(f"{hits} from the cache, {misses} compiled, {seconds:.2f} s; new modules: {len(new)} ({', '.join(named)})")
print(f"another one: {another:.4f} s")
sys.exit(not (hits == 1 and misses == 0 and len(named) == 2 and len(new) > 100 and another < seconds / 10))
PROGRAM
cd "$folder"
export NUMBA_CACHE_DIR="$folder/cache"
environment/bin/python program.py > /dev/null || true # fills the cache
environment/bin/python program.py
