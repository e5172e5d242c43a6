"""docs/howto/files.md says which other programs read our files: each that is at hand does what its row says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ode_sgd
from tests.storage.readers import READERS, Place, make_files, outcome

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "files.md").read_text()
ROWS = {
    name: (version, told)
    for name, version, told in re.findall(r"^\| ([^|]+) \| ([\d.]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers")
    return Place(folder, sys.executable, folder / "modules"), make_files(folder)


def test_every_reader_has_a_row():
    assert list(ROWS) == [reader.name for reader in READERS]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_it_does_what_its_row_says(reader, place):
    """The last error to all its digits, axes in or against the order of the file, attributes or none."""
    found, (version, told) = reader.version(place[0]), ROWS[reader.name]
    if found != version:
        pytest.skip(f"{reader.name} {version} is not at hand ({found or 'none'}); `make readers` installs what it can")
    assert outcome(reader, *place) == told


def test_a_reader_that_gives_other_numbers_is_found(place):
    """What the table says is measured: another error, or other axes, would be another row."""
    reader = READERS[0]
    assert outcome(reader, *place) == "reads them"
    assert outcome(reader, place[0], place[1] * (1.0 + 2**-52)).startswith(f"reads {place[1]!r} for ")


@pytest.mark.parametrize(("language", "command"), [("octave", "octave-cli"), ("r", "Rscript")])
def test_the_lines_of_the_page(language, command, place):
    """Both print the overlap of the first student with the second teacher."""
    name = {"octave": "Octave", "r": "R: ncdf4"}[language]
    (reader,) = [reader for reader in READERS if reader.name == name]
    if shutil.which(command) is None or not reader.version(place[0]):
        pytest.skip(f"{command} is not at hand, or lacks a package")
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    path = place[0].folder / f"lines.{language}"
    path.write_text(text)
    done = subprocess.run(
        [command, path.name], cwd=path.parent, capture_output=True, text=True, check=False, timeout=60
    )
    ode = ode_sgd.load(place[0].file).ode
    assert done.stdout == f"5 times, last error {ode.generalization_error[-1]:.3g}, R_12 = {ode.R[-1, 0, 1]:.3f}\n"
