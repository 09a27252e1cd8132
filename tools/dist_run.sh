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
# lines where another training has it, and wait where nobody opens it.
"$PYTHON" - "$GPUS" "$PORT" "${NNODES:-1}" "${NODE_RANK:-0}" \
    "${MASTER_ADDR:-}" <<'EOF'
import socket
import sys


def number(text):
    return int(text) if text.isascii() and text.isdigit() else -1


gpus, port, nodes, rank, address = sys.argv[1:]
if number(gpus) < 1:
    sys.exit(f'error: GPUS is a number of processes, got {gpus!r}')
if not 0 < number(port) < 65536:
    sys.exit(f'error: PORT is a number from 1 to 65535, got {port!r}')
if number(nodes) < 1:
    sys.exit(f'error: NNODES is a number of machines, got {nodes!r}')
if not 0 <= number(rank) < number(nodes):
    sys.exit(
        f'error: NODE_RANK is a number from 0 to {number(nodes) - 1} with '
        f'NNODES={nodes}, got {rank!r}'
    )
if number(nodes) > 1 and not address:
    sys.exit(
        f'error: NNODES={nodes} needs the address of the machine with '
        'NODE_RANK=0. Put it before the same command: MASTER_ADDR=ADDRESS'
    )
if number(rank):
    sys.exit()
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
