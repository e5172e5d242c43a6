import sys

import netCDF4

with netCDF4.Dataset(sys.argv[1]) as held:
    error = held["ode/generalization_error"]
    print(f"ERROR {float(error[-1]):.17g}")
    print("SHAPE", *held["ode/R_1"].shape)
    print("LABEL", error.long_name)
