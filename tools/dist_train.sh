#!/usr/bin/env bash
# Trains on several GPUs, or CPU processes where there is no GPU.
#
#   tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
#
# Several machines: run it on each one with the same NNODES, MASTER_ADDR and
# PORT, and with its own NODE_RANK:
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 tools/dist_train.sh CONFIG 8
set -euo pipefail
TOOL=train.py exec "$(dirname "$0")/dist_run.sh" "$@"
