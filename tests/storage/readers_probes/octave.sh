#!/bin/bash
octave-cli --quiet --no-init-file --eval "held = load('-hdf5', '$1'); printf('ERROR %.17g\n', held.ode.generalization_error(end)); printf('SHAPE %s\n', mat2str(size(held.ode.R_1)))"
