#!/usr/bin/env bash
# Evaluates on several GPUs, or CPU processes where there is no GPU.
#
#   tools/dist_test.sh CONFIG GPUS CHECKPOINT [arguments of tools/test.py]
#
# Several machines: see tools/dist_train.sh.
set -euo pipefail
TOOL=test.py exec "$(dirname "$0")/dist_run.sh" "$@"
