#!/bin/bash
# The same sweep as a job array of Grid Engine, with no driver: mkdir -p logs; qsub simulations/phase_diagram/array_sge.sh [FOLDER]
# Elements count from 1. One that was deleted: qsub -t 8 simulations/phase_diagram/array_sge.sh
#$ -S /bin/bash -N phase-diagram -t 1-10 -cwd -j y -o logs/ -r y
#$ -l h_rt=00:30:00
export ODE_SGD_CACHE_DIR="${ODE_SGD_CACHE_DIR:-$HOME/.cache/ode-sgd}"   # where all nodes see it
exec "${ODE_SGD:-ode-sgd}" sweep run simulations/phase_diagram/sweep.toml -o "${1:-results/phase_diagram}" \
    --shard "$((SGE_TASK_ID - 1))/10" --quiet
