import sys

import pyfive

held = pyfive.File(sys.argv[1])
error = held["ode/generalization_error"]
print("SHAPE", *held["ode/R_1"].shape)
print("LABEL", error.attrs["long_name"])
print(f"ERROR {error[:][-1]:.17g}")
