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
sluice="dotnet ${SLUICE:-$here/../../src/Sluice.Cli/bin/Release/net10.0/sluice.dll}"
modes=${MODES:-f32 int8-token int8-static fp8 fp8-static}
IFS=';' read -ra ways <<<"${WAYS:---method rtn;--method smoothquant}"
text=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tail -c $(($(wc -c <"$text") * 3 / 4)) "$text" >"$work/calibration.txt"

echo "| model | made by |${modes// / | } |" | sed 's/by |/by | /'
echo "|---|---|${modes//[^ ]/}" | sed 's/ /---|/g; s/$/---|/'
for argument in "$@"; do
    model=${argument%%:*} context=512
    [ "$model" = "$argument" ] || context=${argument##*:}
    for way in "${ways[@]}"; do
        # shellcheck disable=SC2086
        $sluice quantize "$model" "$work/made.gguf" --type "${TYPE:-Q8_0}" $way --static-activations --calibration "$work/calibration.txt" \
            --calibration-tokens "${TOKENS:-16384}" --calibration-context "$context" -t "${THREADS:-2}" >/dev/null 2>&1
        printf '| %s | %s |' "$(basename "$model" .gguf)" "$way"
        for mode in $modes; do
            $sluice perplexity --model "$work/made.gguf" --text "$text" --chunks 10 --context "$context" -t "${THREADS:-2}" --activations "$mode" \
                --json 2>/dev/null | sed -n 's/.*"perplexity": \([0-9.]*\).*/\1/p' | LC_ALL=C xargs printf ' %.4f |'
        done
        echo
    done
done
