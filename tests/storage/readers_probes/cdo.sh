#!/bin/bash
# It knows no groups: what it sees of a run are the variables of the root group; a collected sweep has nothing else.
set -euo pipefail
seen=$(cdo -s showname "$1" 2> told.txt | xargs)
grep -q "groups not supported" told.txt
collected=$(cdo -s showname "$(dirname "$1")/rates.sweep/collected.h5" 2> told.txt)
grep -q "4 dimensional variables without time dimension are not supported, skipped variable R_1" told.txt
case "$collected" in
    *R_1*) exit 1 ;;
    *generalization_error*) echo "NOTE sees the root group only ($seen); of a collected sweep all but overlaps Q, R, with a warning" ;;
esac
