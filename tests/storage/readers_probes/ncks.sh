#!/bin/bash
ncks --trd -H -C -s '%.17g\n' -g ode -v generalization_error "$1" | sed -n 's/^ *\([0-9.e-]\{8,\}\) *$/ERROR \1/p' | tail -1
ncks --cdl -m -g ode -v R_1 "$1" > header.txt
for name in alpha student teacher; do sed -n "s/^[[:space:]]*$name = \([0-9]*\) ;/\1/p" header.txt | head -1; done | tr '\n' ' ' | sed 's/^/SHAPE /; s/$/\n/'
ncks --cdl -m -C -g ode -v generalization_error "$1" | sed -n 's/.*generalization_error:long_name = "\(.*\)" ;.*/LABEL \1/p'
