#!/usr/bin/env bash
# The methods' tables of docs/quantization.md: perplexity of small models whose layers are rounded to 8, 4, 3 and 2 bits by each method.
# They are calibrated on the last three quarters of a text, and measured on its first 10 chunks.
#
#   bench/quantization/methods.sh TEXT MODEL[:CONTEXT]...      (CONTEXT: tokens of a chunk, 512)
#
# From the environment: THREADS (2), TOKENS of calibration (16384), GROUP (32, of neighbours that share a scale), BITS ("8 4 3 2").
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
text=$1
shift
. "$here/common.sh"

# made METHOD OPTIONS...: the perplexity of the model that a method makes.
made() {
    make quantize "$work/made.gguf" --method "$@"
    measure "$work/made.gguf"
}

for argument in "$@"; do
    model=${argument%%:*} context=512
    [ "$model" = "$argument" ] || context=${argument##*:}
    printf '\n%s: %s\n\n' "$(basename "$model" .gguf)" "$(measure "$model")"
    echo "| bits, groups of ${GROUP:-32} | rtn | awq | gptq | gptq, act-order | rotated, rtn | rotated, gptq |"
    echo "|---|---|---|---|---|---|---|"
    for bits in ${BITS:-8 4 3 2}; do
        grid=(--type F32 --bits "$bits" --group-size "${GROUP:-32}")
        echo "| $bits | $(made rtn "${grid[@]}") | $(made awq "${grid[@]}") | $(made gptq "${grid[@]}") | $(made gptq "${grid[@]}" --act-order) |" \
            "$(made rtn "${grid[@]}" --rotate) | $(made gptq "${grid[@]}" --rotate) |"
    done
    echo "| W8A8 (Q8_0) | $(made rtn --type Q8_0) | | | | smoothquant: | $(made smoothquant --type Q8_0) |"
done
