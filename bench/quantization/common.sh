# What the scripts here share, sourced by them with the text in $text: models are calibrated on its last three quarters, and measured on its first
# 10 chunks of $context tokens.
sluice="dotnet ${SLUICE:-$here/../../src/Sluice.Cli/bin/Release/net10.0/sluice.dll}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tail -c $(($(wc -c <"$text") * 3 / 4)) "$text" >"$work/calibration.txt"

# measure MODEL OPTIONS...: its perplexity, or a dash where there is no model.
measure() {
    [ -e "$1" ] || { echo "-"; return; }
    $sluice perplexity --model "$1" --text "$text" --chunks 10 --context "$context" -t "${THREADS:-2}" --json "${@:2}" 2>/dev/null |
        sed -n 's/.*"perplexity": \([0-9.]*\).*/\1/p' | LC_ALL=C xargs printf '%.4f'
}

# make COMMAND OUT OPTIONS...: makes OUT of $model by a command of sluice, calibrated unless it rounds to nearest only.
make() {
    local calibration=(--calibration "$work/calibration.txt" --calibration-tokens "${TOKENS:-16384}" --calibration-context "$context")
    [[ " $* " = *" --method rtn "* && " $* " != *" --static-activations "* ]] && calibration=()
    rm -rf "$2"
    $sluice "$1" "$model" "$2" "${@:3}" "${calibration[@]}" -t "${THREADS:-2}" >/dev/null 2>"$work/log" || tail -1 "$work/log" >&2
}
