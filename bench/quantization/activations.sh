#!/usr/bin/env bash
# The tables of rounded activations in docs/quantization.md: perplexity of Q8_0 by the ways of making it (a row each) and the ways of rounding
# activations (a column each). Calibrated on the last three quarters of a text, measured on its first 10 chunks.
#
#   bench/quantization/activations.sh TEXT MODEL[:CONTEXT]...      (CONTEXT: tokens of a chunk, 512)
#
# From the environment: THREADS (2), TOKENS of calibration (16384), TYPE (Q8_0), MODES ("f32 int8-token int8-static fp8 fp8-static"), and WAYS: options of
# sluice quantize, separated by ; ("--method rtn;--method smoothquant").
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
modes=${MODES:-f32 int8-token int8-static fp8 fp8-static}
IFS=';' read -ra ways <<<"${WAYS:---method rtn;--method smoothquant}"
text=$1
shift
. "$here/common.sh"

echo "| model | made by |${modes// / | } |" | sed 's/by |/by | /'
echo "|---|---|${modes//[^ ]/}" | sed 's/ /---|/g; s/$/---|/'
for argument in "$@"; do
    model=${argument%%:*} context=512
    [ "$model" = "$argument" ] || context=${argument##*:}
    for way in "${ways[@]}"; do
        # shellcheck disable=SC2086
        make quantize "$work/made.gguf" --type "${TYPE:-Q8_0}" $way --static-activations
        printf '| %s | %s |' "$(basename "$model" .gguf)" "$way"
        for mode in $modes; do
            printf ' %s |' "$(measure "$work/made.gguf" --activations "$mode")"
        done
        echo
    done
done
