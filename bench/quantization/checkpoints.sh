#!/usr/bin/env bash
# The table of docs/checkpoints.md: perplexity of small models that are exported as GPTQ and AWQ checkpoints by each method. They are calibrated
# on the last three quarters of a text, and measured on its first 10 chunks.
#
#   bench/quantization/checkpoints.sh TEXT FOLDER[:CONTEXT]...      (a Hugging Face folder; CONTEXT: tokens of a chunk, 512)
#
# From the environment: THREADS (2), TOKENS of calibration (16384), GROUP (64, of columns that share a scale).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
text=$1
shift
. "$here/common.sh"

# made METHOD OPTIONS...: the perplexity of the checkpoint that a method makes.
made() {
    make export "$work/made" --group-size "${GROUP:-64}" --method "$@"
    measure "$work/made"
}

for argument in "$@"; do
    model=${argument%%:*} context=512
    [ "$model" = "$argument" ] || context=${argument##*:}
    printf '\n%s: %s\n\n' "$(basename "$model")" "$(measure "$model")"
    echo "| layout, groups of ${GROUP:-64} | rtn | awq | gptq | gptq, act-order | gptq, act-order, static groups |"
    echo "|---|---|---|---|---|---|"
    for layout in "gptq --bits 4" "gptq --bits 4 --symmetric" "gptq --bits 3" "gptq_v2 --bits 2" awq; do
        read -ra options <<<"--layout $layout"
        ordered="-"
        # AWQ's layout has no order of columns.
        [ "$layout" = awq ] || ordered=$(made gptq "${options[@]}" --act-order)
        echo "| $layout | $(made rtn "${options[@]}") | $(made awq "${options[@]}") | $(made gptq "${options[@]}") | $ordered |" \
            "$(made gptq "${options[@]}" --act-order --static-groups) |"
    done
done
