#!/usr/bin/env bash
# Starts GPUS processes of tools/$TOOL; used by dist_train.sh, dist_test.sh.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: tools/dist_${TOOL%.py}.sh CONFIG GPUS [arguments]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2
PORT=${PORT:-29500}
PYTHON=${PYTHON:-python}
# The first machine opens the port; torchrun would show a traceback of 60
# lines where another training has it.
if [ "${NODE_RANK:-0}" = 0 ]; then
    "$PYTHON" - "$GPUS" "$PORT" <<'EOF'
import socket
import sys

gpus, port = sys.argv[1:]
if not gpus.isdigit() or int(gpus) < 1:
    sys.exit(f'error: GPUS is a number of processes, got {gpus!r}')
if not port.isdigit() or not 0 < int(port) < 65536:
    sys.exit(f'error: PORT is a number from 1 to 65535, got {port!r}')
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(('', int(port)))
    except OSError as error:
        sys.exit(
            f'error: port {port} cannot be used ({error.strerror}), most '
            'likely since another training has it. Put another one before '
            f'the same command: PORT={int(port) % 65535 + 1}'
        )
EOF
fi
# The processes share the cores; each one's data workers use one thread.
CORES=$(nproc)
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((CORES > GPUS ? CORES / GPUS : 1))}
export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}
exec "$PYTHON" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="$PORT" \
    --nproc_per_node="$GPUS" \
    "$(dirname "$0")/$TOOL" "$CONFIG" "${@:3}" --launcher pytorch
