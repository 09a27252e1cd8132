#!/usr/bin/env bash
# Trains under Slurm, one task per GPU.
#
#   GPUS=16 tools/slurm_train.sh PARTITION JOB_NAME CONFIG \
#       [arguments of tools/train.py]
#
# Environment: GPUS (8), GPUS_PER_NODE (at most 8), CPUS_PER_TASK (9: a
# process and its 8 data workers), SRUN_ARGS.
set -euo pipefail
TOOL=train.py exec "$(dirname "$0")/slurm_run.sh" "$@"
