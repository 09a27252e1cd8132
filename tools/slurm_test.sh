#!/usr/bin/env bash
# Evaluates under Slurm, one task per GPU.
#
#   GPUS=8 tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT \
#       [arguments of tools/test.py]
#
# Environment: see tools/slurm_train.sh.
set -euo pipefail
TOOL=test.py exec "$(dirname "$0")/slurm_run.sh" "$@"
