#!/usr/bin/env bash
# jsfive 0.4.2: of a chunked variable in the format of HDF5 1.10 or newer (libver "v110" or "latest"; in the one of 1.8
# all is read) shape and attributes are read, and asking for its values gives "TypeError: thing is not a function". The
# library's own assertion, which was to say that this index of chunks is not known, calls the value that is false.
# Seen with jsfive 0.4.2 on node 20.20.2, files of h5py 3.16.0 and NumPy 2.4.6 on CPython 3.11.7, Linux:
# v108: shape 100, last value 99; v110: shape 100, TypeError: thing is not a function
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet h5py==3.16.0 numpy==2.4.6
cd "$folder"
echo '{"name": "reader", "private": true}' > package.json
npm install --silent --no-audit --no-fund jsfive@0.4.2
environment/bin/python - <<'PROGRAM'
import h5py
import numpy as np

for version in ("v108", "v110"):
    with h5py.File(f"{version}.h5", "w", libver=("earliest" if version == "v108" else version, version)) as file:
        file.create_dataset("values", data=np.arange(100.0), chunks=(10,), compression="gzip")
PROGRAM
cat > program.cjs <<'PROGRAM'
const fs = require("node:fs");
const jsfive = require("jsfive");
const seen = ["v108", "v110"].map((name) => {
    const bytes = fs.readFileSync(name + ".h5");
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const values = new jsfive.File(buffer, name).get("values");
    let told;
    try {
        told = "last value " + values.value[99];
    } catch (error) {
        told = String(error);
    }
    return name + ": shape " + values.shape.join(" ") + ", " + told;
});
console.log(seen.join("; "));
const expected = "v108: shape 100, last value 99; v110: shape 100, TypeError: thing is not a function";
process.exit(seen.join("; ") === expected ? 0 : 1);
PROGRAM
node program.cjs
