import sys

import xarray
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.parsers import HDFParser

registry = ObjectStoreRegistry({"file://": LocalStore(prefix="/")})
store = HDFParser(group="ode")(url=f"file://{sys.argv[1]}", registry=registry)
with xarray.open_zarr(store, consolidated=False, zarr_format=3) as held:
    print(f"ERROR {held.generalization_error.values[-1]:.17g}")
    print("SHAPE", *held.R_1.shape)
    print("LABEL", held.generalization_error.attrs["long_name"])
