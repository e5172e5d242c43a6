"""The layout of a file: groups, attributes, chunks, and the version of all that.

    /       what is known of the problem in arrays; attributes on the whole run
    /ode    the run of theory              | either may be missing, not both
    /mc     the simulated ones, with a leading replica dimension

Every group has dimension scales of its own, so that each opens by itself in xarray, for which no variable may repeat a
dimension. What arrays there are, and what they mean, is said by `run_format`.
"""

SCHEMA_VERSION = 1
SCHEMA_ATTRIBUTE = "ode_sgd_schema"
SWEEP_ATTRIBUTE = "ode_sgd_sweep_schema"  # of files of many runs
AXES_ATTRIBUTE = "axes_json"  # of those that were collected
MODEL_ATTRIBUTE = "model"  # of files of another model than the teacher-student one
DIGEST_ATTRIBUTE = "content_sha256"
STATUS_ATTRIBUTE = "status"

ROOT, ODE, MC = "/", "ode", "mc"
GROUPS = (ROOT, ODE, MC)

CHUNK_VALUES = 2**16
CHUNK_TIMES = 512
GZIP_LEVEL = 4

_OF_A_RUN = (
    "method",
    "status",
    "message",
    "resolution",
    "stats_json",
    "dimension",
    "seed",
    "time_name",
    "error_name",
    "variables_json",
)
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
        MODEL_ATTRIBUTE,
        "config_json",
        DIGEST_ATTRIBUTE,
        STATUS_ATTRIBUTE,
    ),
    ODE: _OF_A_RUN,
    MC: _OF_A_RUN,
}


def chunks(names: tuple[str, ...], shape: tuple[int, ...], time: str = "alpha") -> tuple[int, ...]:
    """Chunk lengths: whole K x K matrices, up to 512 times, then sectors, then replicas, about 65536 values in all.

    At K = 4 and many times and sectors that is (512, 8, 4, 4). Filling up matters for short runs with many sectors: in
    chunks of 8 sectors, 1e5 of them are 12500 chunks of a few hundred bytes.
    """
    lengths = dict(zip(names, shape, strict=True))
    room = CHUNK_VALUES
    for name, size in reversed(lengths.items()):
        if name not in ("replica", time, "sector"):
            room //= size
    for name, most in ((time, CHUNK_TIMES), ("sector", CHUNK_VALUES), ("replica", CHUNK_VALUES)):
        if name in lengths:
            lengths[name] = max(1, min(lengths[name], most, room))
            room //= lengths[name]
    return tuple(lengths.values())
