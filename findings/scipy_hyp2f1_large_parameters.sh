#!/usr/bin/env bash
# SciPy 1.17.1: scipy.special.hyp2f1(1, b, c, x) is NaN, without a warning, where b and c are some hundreds and x
# is close to 1, though c - b > 1 and the function is finite there: at b = 297, c = 300, x = 0.99 it is 54.0. At x = 0.9 the
# same parameters are right to all digits. Such values are means over a Dirichlet distribution, x = N / (N + n) with large N.
# Only scipy.special.errstate(all="raise") tells, and calls it a domain error, which it is not.
# Seen with SciPy 1.17.1, mpmath 1.3.0 on CPython 3.11.7, Linux:
# b = 297, c = 300, x = 0.9: 9.193979120829667 beside 9.19397912082965; x = 0.99: nan beside 54.007086797124316; raised: domain error
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet scipy==1.17.1 mpmath==1.3.0 numpy==2.4.6
cat > "$folder/program.py" <<'PROGRAM'
import math
import sys

import mpmath
from scipy import special

b, c, raised = 297.0, 300.0, "nothing"
near, close = special.hyp2f1(1.0, b, c, 0.9), special.hyp2f1(1.0, b, c, 0.99)
exact = [float(mpmath.hyp2f1(1, 297, 300, x)) for x in (mpmath.mpf("0.9"), mpmath.mpf("0.99"))]
try:
    with special.errstate(all="raise"):
        special.hyp2f1(1.0, b, c, 0.99)
except special.SpecialFunctionError as error:
    raised = "domain error" if "domain error" in str(error) else str(error)
print(
    f"b = 297, c = 300, x = 0.9: {near} beside {exact[0]}; x = 0.99: {close} beside {exact[1]}; raised: {raised}"
)
sys.exit(not (math.isclose(near, exact[0], rel_tol=1e-12) and math.isnan(close) and raised == "domain error"))
PROGRAM
"$folder/environment/bin/python" "$folder/program.py"
