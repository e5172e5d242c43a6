#!/bin/bash
# h5dump of HDF5's tools
h5dump -y -w 1 -m "%.17g" -d /ode/generalization_error "$1" | sed -n '/ATTRIBUTE/q; s/^ *\([0-9.e+-]*\),\?$/ERROR \1/p' | tail -1
h5dump -H -d /ode/R_1 "$1" | sed -n 's/.*SIMPLE { ( \(.*\) ) \/.*/SHAPE \1/p' | head -1
h5dump -a /ode/generalization_error/long_name "$1" | sed -n 's/.*(0): "\(.*\)".*/LABEL \1/p'
