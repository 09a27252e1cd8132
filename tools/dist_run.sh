#!/usr/bin/env bash
# Starts GPUS processes of tools/$TOOL; used by dist_train.sh, dist_test.sh.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: tools/dist_${TOOL%.py}.sh CONFIG GPUS [arguments]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2
# The processes share the cores; each one's data workers use one thread.
CORES=$(nproc)
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((CORES > GPUS ? CORES / GPUS : 1))}
export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$GPUS" \
    "$(dirname "$0")/$TOOL" "$CONFIG" "${@:3}" --launcher pytorch
