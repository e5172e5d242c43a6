import sys

import h5py

with h5py.File(sys.argv[1]) as held:
    error = held["ode/generalization_error"]
    print(f"ERROR {error[-1]:.17g}")
    print("SHAPE", *held["ode/R_1"].shape)
    print("LABEL", error.attrs["long_name"].decode())
