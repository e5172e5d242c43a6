"""The layout of a file: names, dimensions, attributes, and the version of all that.

    /       eigenvalue, weight (sector); attributes on the whole run
    /ode    the integrated trajectory      | either may be missing, not both
    /mc     the simulated ones, with a leading replica dimension

Every group has dimension scales of its own, so that each opens by itself in xarray. No variable repeats a dimension:
the two student axes of Q are `student` and `student_2`.
"""

import re
from typing import NamedTuple

SCHEMA_VERSION = 1
SCHEMA_ATTRIBUTE = "ode_sgd_schema"
SWEEP_ATTRIBUTE = "ode_sgd_sweep_schema"  # of files of many runs
AXES_ATTRIBUTE = "axes_json"  # of those that were collected
DIGEST_ATTRIBUTE = "content_sha256"
STATUS_ATTRIBUTE = "status"

ROOT, ODE, MC = "/", "ode", "mc"
GROUPS = (ROOT, ODE, MC)

CHUNK_VALUES = 2**16
CHUNK_TIMES = 512
GZIP_LEVEL = 4


class Variable(NamedTuple):
    """Dimensions, a leading `replica` apart, and the text that explains the variable."""

    dimensions: tuple[str, ...]
    long_name: str


DIMENSIONS = {
    "replica": "independent run of SGD, counted from 0",
    "alpha": "time alpha, steps / N",
    "sector": "sector, one eigenvalue of the data covariance, counted from 0",
    "student": "student unit i, counted from 0",
    "student_2": "student unit j, counted from 0",
    "teacher": "teacher unit n, counted from 0",
    "teacher_2": "teacher unit m, counted from 0",
}

_Q, _R, _T = ("student", "student_2"), ("student", "teacher"), ("teacher", "teacher_2")
_VARIABLES = {
    "eigenvalue": Variable(("sector",), "eigenvalue lambda_k of the data covariance"),
    "weight": Variable(("sector",), "share w_k = N_k / N of the directions with that eigenvalue"),
    "alpha": Variable(("alpha",), DIMENSIONS["alpha"]),
    "generalization_error": Variable(("alpha",), "generalization error eps_g, noise-free"),
    "sector_q": Variable(("alpha", "sector", *_Q), "student overlaps q_k of every sector"),
    "sector_r": Variable(("alpha", "sector", *_R), "student-teacher overlaps r_k of every sector"),
    "sector_t": Variable(("sector", *_T), "teacher overlaps t_k of every sector"),
    "final_q": Variable(("sector", *_Q), "student overlaps q_k at the last time"),
    "final_r": Variable(("sector", *_R), "student-teacher overlaps r_k at the last time"),
    "final_t": Variable(("sector", *_T), "teacher overlaps t_k at the last time"),
}

_MOMENTS = {
    "Q": Variable(("alpha", *_Q), "student overlaps Q, moment of order"),
    "R": Variable(("alpha", *_R), "student-teacher overlaps R, moment of order"),
    "T": Variable(_T, "teacher overlaps T, moment of order"),
}
_MOMENT_NAME = re.compile(r"([QRT])_(\d+)")

ATTRIBUTES = {
    ROOT: (
        "Conventions",
        SCHEMA_ATTRIBUTE,
        "created",
        "host",
        "versions",
        "git_revision",
        "seed",
        "problem_identity",
        "problem_json",
        "config_json",
        DIGEST_ATTRIBUTE,
        STATUS_ATTRIBUTE,
    ),
    ODE: ("method", "status", "message", "resolution", "stats_json", "dimension", "seed"),
    MC: ("method", "status", "message", "resolution", "stats_json", "dimension", "seed"),
}


def known(name: str) -> bool:
    """Whether a name such as "alpha" or "Q_2" is one of ours."""
    return name in _VARIABLES or _MOMENT_NAME.fullmatch(name) is not None


def variable(name: str) -> Variable:
    """The entry of one of our names."""
    moment = _MOMENT_NAME.fullmatch(name)
    if moment is None:
        return _VARIABLES[name]
    dimensions, text = _MOMENTS[moment[1]]
    return Variable(dimensions, f"{text} {moment[2]}")


def chunks(names: tuple[str, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Chunk lengths: whole K x K matrices, up to 512 times, then sectors, then replicas, about 65536 values in all.

    At K = 4 and many times and sectors that is (512, 8, 4, 4). Filling up matters for short runs with many sectors: in
    chunks of 8 sectors, 1e5 of them are 12500 chunks of a few hundred bytes.
    """
    lengths = dict(zip(names, shape, strict=True))
    room = CHUNK_VALUES
    for name, size in reversed(lengths.items()):
        if name not in ("replica", "alpha", "sector"):
            room //= size
    for name, most in (("alpha", CHUNK_TIMES), ("sector", CHUNK_VALUES), ("replica", CHUNK_VALUES)):
        if name in lengths:
            lengths[name] = max(1, min(lengths[name], most, room))
            room //= lengths[name]
    return tuple(lengths.values())
