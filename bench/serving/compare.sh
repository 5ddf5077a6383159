#!/usr/bin/env bash
# Sluice's server beside llama.cpp's or ik_llama.cpp's on the same file, with the same prompts and threads: for each load ours and
# theirs in turn. A load is a number of clients, each of which asks again once it is answered, or "mixed": six answers are being
# written when four long prompts come (mixed.csv).
#
#   bench/serving/compare.sh LLAMA-SERVER MODEL.gguf [LOAD...]      (1 4 16 32 mixed)
#
# `sluice bench --shape llama-3.2-1b --type Q4_K_M --save MODEL.gguf` makes a model up. From the environment: THREADS (2), INPUT
# (64-192) and OUTPUT (32-96) tokens, ROUNDS (1), SLUICE_OPTIONS and SERVER_OPTIONS for the servers.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sluice="dotnet $here/../../src/Sluice.Cli/bin/Release/net10.0/sluice.dll"
server=$1 model=$2 threads=${THREADS:-2} port=${PORT:-9180}
shift 2
loads=("$@")
[ $# -gt 0 ] || loads=(1 4 16 32 mixed)
log=$(mktemp)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -f "$log"' EXIT

# start ENGINE SEQUENCES CONTEXT: a server with room for so many sequences of that length.
start() {
    port=$((port + 1)) # a closed connection keeps the last one busy for a while
    if [ "$1" = sluice ]; then
        $sluice serve --model "$model" -t "$threads" --port "$port" --sequences "$2" --context "$3" ${SLUICE_OPTIONS:-} >"$log" 2>&1 &
    else
        "$server" -m "$model" --no-mmap -t "$threads" --port "$port" -np "$2" -c $(($2 * $3)) ${SERVER_OPTIONS:-} >"$log" 2>&1 &
    fi
    pid=$!
    until curl -sf -o /dev/null "http://127.0.0.1:$port/health"; do
        kill -0 "$pid" 2>/dev/null || { cat "$log" >&2; exit 1; }
        sleep 0.2
    done
}

# measure LOAD ENGINE SEQUENCES CONTEXT OPTIONS...: one server, one load, its table.
measure() {
    echo "== $1, $2"
    start "$2" "$3" "$4"
    $sluice bench serve --url "http://127.0.0.1:$port" "${@:5}"
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
}

for seed in $(seq "${ROUNDS:-1}"); do
    for load in "${loads[@]}"; do
        for engine in sluice theirs; do
            if [ "$load" = mixed ]; then
                measure mixed "$engine" 16 2048 --trace "$here/mixed.csv" --seed "$seed"
            else
                measure "$load clients" "$engine" "$load" 512 --clients "$load" -n $((load * 3 / 2 + 2)) \
                    --input "${INPUT:-64-192}" --output "${OUTPUT:-32-96}" --seed "$seed"
            fi
        done
    done
done
