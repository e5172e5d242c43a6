#!/usr/bin/env bash
# kerchunk 0.2.10: of an HDF5 file whose variables have Fletcher checksums (fletcher32=True, which HDF5 itself brings) the
# references lack the variables, but for the smallest, which are taken over as they are. There is a warning, no error;
# whoever opens the references sees a data set that is complete as far as it goes. A variable of 10 numbers is there, the
# same one with 100 is not. With shuffle and gzip alone both are.
# Seen with kerchunk 0.2.10, h5py 3.16.0, zarr 3.1.6, fsspec 2026.9.0, NumPy 2.4.6 on CPython 3.11.7, Linux:
# file: checked_10, checked_100, plain_10, plain_100; references: checked_10, plain_10, plain_100; warnings: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet kerchunk==0.2.10 h5py==3.16.0 zarr==3.1.6 numpy==2.4.6
cat > "$folder/program.py" <<'PROGRAM'
import sys
import warnings

import h5py
import kerchunk.hdf
import numpy as np

with h5py.File("data.h5", "w") as file:
    for count in (10, 100):
        values, common = np.arange(float(count)), {"shuffle": True, "compression": "gzip", "chunks": (count,)}
        file.create_dataset(f"plain_{count}", data=values, **common)
        file.create_dataset(f"checked_{count}", data=values, fletcher32=True, **common)
    names = sorted(file)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    references = kerchunk.hdf.SingleHdf5ToZarr("data.h5", inline_threshold=0).translate()["refs"]
found = sorted(name.removesuffix("/.zarray") for name in references if name.endswith("/.zarray"))
told = [str(warning.message) for warning in caught if "fletcher32" in str(warning.message)]
print(f"file: {', '.join(names)}; references: {', '.join(found)}; warnings: {len(told)}")
sys.exit(found != ["checked_10", "plain_10", "plain_100"] or len(told) != 1)
PROGRAM
cd "$folder"
environment/bin/python program.py
