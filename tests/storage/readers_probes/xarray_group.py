import sys

import xarray

with xarray.open_dataset(sys.argv[1], group="ode", engine="h5netcdf") as held:
    print(f"ERROR {held.generalization_error.values[-1]:.17g}")
    print("SHAPE", *held.R_1.shape)
    print("LABEL", held.generalization_error.attrs["long_name"])
