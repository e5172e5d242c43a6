#!/bin/bash
ncdump -p 9,17 -v /ode/generalization_error "$1" | tr ',;' '\n\n' | sed -n '/^group: mc/q; s/^ *\(0\.[0-9e-]*\) *$/ERROR \1/p' | tail -1
ncdump -h "$1" | sed -n '/^group: ode/,/^group: mc/p' > header.txt
for name in alpha student teacher; do sed -n "s/^[[:space:]]*$name = \([0-9]*\) ;/\1/p" header.txt | head -1; done | tr '\n' ' ' | sed 's/^/SHAPE /; s/$/\n/'
sed -n 's/.*generalization_error:long_name = "\(.*\)" ;/LABEL \1/p' header.txt
