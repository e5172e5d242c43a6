import sys
from pathlib import Path

import xarray

files = sorted((Path(sys.argv[1]).parent / "rates.sweep" / "runs").glob("*/*.h5"))
with xarray.open_mfdataset(files, group="ode", engine="h5netcdf", combine="nested", concat_dim="run") as held:
    assert held.generalization_error.shape == (2, 5)
    lost = not any("learning_rate" in name for name in [*held.variables, *held.attrs])
    print("NOTE stacks runs, but loses what was swept: use `sweep collect`" if lost else "NOTE stacks runs")
