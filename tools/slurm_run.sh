#!/usr/bin/env bash
# Starts tools/$TOOL on Slurm; used by slurm_train.sh and slurm_test.sh.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: tools/slurm_${TOOL%.py}.sh PARTITION JOB_NAME CONFIG" \
        "[arguments]" >&2
    exit 2
fi
GPUS=${GPUS:-8}
for name in GPUS GPUS_PER_NODE CPUS_PER_TASK; do
    value=${!name:-1}
    if [[ ! $value =~ ^[1-9][0-9]*$ ]]; then
        echo "error: $name is a number of 1 or more, got '$value'" >&2
        exit 1
    fi
done
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
# shellcheck disable=SC2086  # SRUN_ARGS is a list of words
exec srun -p "$1" --job-name="$2" \
    --gres=gpu:"$GPUS_PER_NODE" \
    --ntasks="$GPUS" \
    --ntasks-per-node="$GPUS_PER_NODE" \
    --cpus-per-task="${CPUS_PER_TASK:-9}" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$(dirname "$0")/$TOOL" "${@:3}" --launcher slurm
