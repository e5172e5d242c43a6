"""Which other programs read our files, and what they make of them: the table of docs/howto/files.md.

python -m tests.storage.readers [FOLDER]      (`make readers`; a minute, most of it installing)

What is on this machine is tried; libraries of Python and JavaScript are installed at the versions below into FOLDER, a
temporary one by default. Every reader is asked for the last generalization error of the ODE, to all its digits, for the
shape of R_1, which is (alpha, student, teacher) in the file, and for the description of the error.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ode_sgd

PROBES = Path(__file__).parent / "readers_probes"
PACKAGES = {
    "h5py": "3.16.0", "h5netcdf": "1.8.2", "xarray": "2026.9.0", "netCDF4": "1.7.5", "pyfive": "1.3.0",
    "kerchunk": "0.2.10", "virtualizarr": "2.5.1", "dask": "2026.8.0",
}  # fmt: skip
MODULES = {"h5wasm": "0.10.3", "jsfive": "0.4.2"}
PATIENCE = 120.0
SHAPE = (5, 2, 3)  # of R_1: alpha, student, teacher
LABEL = "generalization error eps_g, noise-free"


@dataclass(frozen=True, slots=True)
class Reader:
    """A program or library: how its version is found, and how it is asked."""

    name: str
    version: Callable[["Place"], str]
    command: Callable[["Place"], list[str]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where files, and what was installed for this, are; Python is the one that has the libraries."""

    folder: Path
    python: str
    modules: Path

    @property
    def file(self) -> str:
        return str(self.folder / "run.h5")


def make_files(folder: Path) -> float:
    """One run of ODE and SGD, and a swept one; the error that readers are asked for."""
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(4, beta=1.0), student_units=2, teacher_units=3, learning_rate=0.3
    )
    start = ode_sgd.OrderParameters.random(problem, dimension=40, student_scale=0.3, seed=1)
    sgd = ode_sgd.simulate(problem, start, [0.0, 1.0, 2.0, 5.0, 10.0], dimension=40, replicas=4, seed=1)
    ode = ode_sgd.integrate(problem, start, sgd.alpha)
    ode_sgd.save(folder / "run.h5", ode, sgd)
    study = {
        "spectrum": {"kind": "isotropic"},
        "problem": {"student_units": 2, "teacher_units": 3, "learning_rate": 0.3},
        "start": {"kind": "random", "dimension": 40, "student_scale": 0.3},
        "integration": {"alpha": [0.0, 1.0, 2.0, 5.0, 10.0]},
    }
    sweep = ode_sgd.Sweep(study, {"problem.learning_rate": [0.1, 0.2]})
    ode_sgd.run_sweep(sweep, folder / "rates.sweep", runs_per_file=1)
    ode_sgd.collect_sweep(folder / "rates.sweep")
    return float(ode.generalization_error[-1])


def installed_place(folder: Path) -> Place:
    """Install the libraries at their versions."""
    subprocess.run([sys.executable, "-m", "venv", folder / "environment"], check=True)
    python = str(folder / "environment" / "bin" / "python")
    wanted = [f"{name}=={version}" for name, version in PACKAGES.items()]
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-warn-script-location", *wanted], check=True)
    modules = folder / "modules"
    modules.mkdir()
    if shutil.which("npm") is not None:
        (modules / "package.json").write_text('{"name": "readers", "private": true}')
        wanted = [f"{name}@{version}" for name, version in MODULES.items()]
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *wanted], cwd=modules, check=True)
    return Place(folder, python, modules)


def _tool(name: str, *words: str) -> Reader:
    """A program: its version is what it says itself."""

    def version(_: Place) -> str:
        if shutil.which(words[0]) is None:
            return ""
        asked = {"ncdump": [], "Rscript": ["--version"]}.get(words[0], ["--version"])
        done = subprocess.run([words[0], *asked], capture_output=True, text=True, timeout=PATIENCE, check=False)
        return _number(done.stdout + done.stderr, "netcdf library version " if words[0] == "ncdump" else "")

    return Reader(name, version, lambda place: ["bash", str(PROBES / f"{words[1]}"), place.file])


def _number(text: str, before: str) -> str:
    found = re.search(rf"{before}.*?(\d+\.\d+(?:\.\d+)?)", text, re.DOTALL)
    return found[1] if found else ""


def _of_r(name: str) -> Reader:
    def version(_: Place) -> str:
        if shutil.which("Rscript") is None:
            return ""
        told = f'if (requireNamespace("{name}", quietly=TRUE)) cat(as.character(packageVersion("{name}")))'
        done = subprocess.run(["Rscript", "-e", told], capture_output=True, text=True, timeout=PATIENCE, check=False)
        return done.stdout.strip()

    return Reader(f"R: {name}", version, lambda place: ["Rscript", str(PROBES / f"{name}.R"), place.file])


def _of_python(name: str, package: str = "", probe: str = "") -> Reader:
    def version(place: Place) -> str:
        told = f"from importlib.metadata import version; print(version('{package or name}'))"
        done = subprocess.run([place.python, "-c", told], capture_output=True, text=True, timeout=PATIENCE, check=False)
        return done.stdout.strip()

    return Reader(name, version, lambda place: [place.python, str(PROBES / f"{probe or name}.py"), place.file])


def _of_javascript(name: str) -> Reader:
    def version(place: Place) -> str:
        described = place.modules / "node_modules" / name / "package.json"
        if shutil.which("node") is None or not described.exists():
            return ""
        return str(json.loads(described.read_text())["version"])

    return Reader(name, version, lambda place: ["node", str(PROBES / f"{name}.mjs"), place.file, str(place.modules)])


READERS = (
    _of_python("h5py", "h5py", "h5py_file"),
    _of_python("xarray, one group", "xarray", "xarray_group"),
    _of_python("xarray, `open_mfdataset`", "xarray", "open_mfdataset"),
    _of_python("netCDF4", "netCDF4", "netCDF4_file"),
    _of_python("VirtualiZarr", "virtualizarr", "virtualizarr_parser"),
    _of_python("kerchunk", "kerchunk", "kerchunk_references"),
    _of_python("pyfive", "pyfive", "pyfive_file"),
    _of_javascript("h5wasm"),
    _of_javascript("jsfive"),
    _tool("h5dump", "h5dump", "h5dump.sh"),
    _tool("ncdump", "ncdump", "ncdump.sh"),
    _tool("NCO (`ncks`)", "ncks", "ncks.sh"),
    _tool("CDO", "cdo", "cdo.sh"),
    _tool("Octave", "octave-cli", "octave.sh"),
    _of_r("hdf5r"),
    _of_r("rhdf5"),
    _of_r("ncdf4"),
)


def outcome(reader: Reader, place: Place, error: float) -> str:
    """What a reader makes of the file, in a few words."""
    done = subprocess.run(
        reader.command(place), capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=place.folder,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines() if re.match(r"[A-Z]+ ", line))
    if "NOTE" in told:
        return told["NOTE"].strip()
    if "ERROR" not in told:
        return f"cannot read them: {_last_words(done.stderr + done.stdout)}"
    value = "reads them" if float(told["ERROR"]) == error else f"reads {told['ERROR']} for {error!r}"
    shape = tuple(map(int, re.findall(r"\d+", told.get("SHAPE", ""))))
    axes = {SHAPE: "", SHAPE[::-1]: "; axes reversed: R_1 is teacher, student, alpha"}.get(shape, f"; R_1 is {shape}")
    return value + axes + ("" if told.get("LABEL", "").strip() == LABEL else "; no attributes")


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if re.match(r"\s*\w*(Error|Exception)\b.*: ", line)]
    return (lines or ["nothing is said"])[-1][:120]


def table(place: Place, error: float) -> Iterator[tuple[str, str, str]]:
    """Every reader, its version, empty where it is not at hand, and what it makes of the files."""
    for reader in READERS:
        version = reader.version(place)
        yield reader.name, version, outcome(reader, place, error) if version else "not at hand"


def main(words: list[str]) -> int:
    """Print the table, as the page has it."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(words[0]) if words else Path(made)
        place = installed_place(folder)
        for name, version, told in table(place, make_files(folder)):
            print(f"| {name} | {version} | {told} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
