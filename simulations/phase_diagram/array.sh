#!/bin/bash
# The same sweep as a job array of SLURM, with no driver: mkdir -p logs; sbatch simulations/phase_diagram/array.sh [FOLDER]
# Elements share the folder and need nothing else. One that was cancelled: sbatch --array=7 simulations/phase_diagram/array.sh
#SBATCH --job-name=phase-diagram --array=0-9 --ntasks=1 --cpus-per-task=1
#SBATCH --mem=2G --time=00:30:00 --requeue --output=logs/%A.%a.out
export ODE_SGD_CACHE_DIR="${ODE_SGD_CACHE_DIR:-$HOME/.cache/ode-sgd}"   # where all nodes see it
exec "${ODE_SGD:-ode-sgd}" sweep run simulations/phase_diagram/sweep.toml -o "${1:-results/phase_diagram}" \
    --shard "$SLURM_ARRAY_TASK_ID/10" --quiet
