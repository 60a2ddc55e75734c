#!/usr/bin/env bash
# The steps of action.yml, which run anywhere: what they read stands in the environment.
#
#   action.sh install    the package of this checkout, into an environment of its own
#   action.sh check      run or merge, then annotations, job summary and outputs
#
# Options of `run` are read from THREADS_CONFORMANCE_*; ACTION_MERGE, ACTION_ARGUMENTS (each one a
# line) and ACTION_GATE are inputs of the action. ACTION_PROGRAM is the program to run.
set -euo pipefail

environment=${RUNNER_TEMP:-/tmp}/threads-conformance
program=${ACTION_PROGRAM:-$environment/bin/threads-conformance}
report_dir=${THREADS_CONFORMANCE_REPORT_DIR:-threads-conformance-report}

install() {
    python -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet "$(dirname "${BASH_SOURCE[0]}")/.."
    # Later steps of the job find the command.
    [ -z "${GITHUB_PATH:-}" ] || echo "$environment/bin" >> "$GITHUB_PATH"
}

check() {
    local arguments=(run) status=0 line
    if [ -n "${ACTION_MERGE:-}" ]; then
        arguments=(merge)
        while read -r line; do
            # Unquoted: a line may be a pattern, as shard-*.
            [ -z "$line" ] || arguments+=($line)
        done <<< "$ACTION_MERGE"
    fi
    while read -r line; do
        [ -z "$line" ] || arguments+=("$line")
    done <<< "${ACTION_ARGUMENTS:-}"
    # The report of an earlier run is none of this one.
    rm -f "$report_dir/report.json"
    "$program" "${arguments[@]}" --report-dir "$report_dir" \
        --export "sarif=$report_dir/threads.sarif" --export "badge=$report_dir/badge.svg" || status=$?
    "$program" github "$report_dir" --status "$status"
    if [ "${ACTION_GATE:-true}" = false ] && { [ "$status" -eq 1 ] || [ "$status" -eq 3 ]; }; then
        status=0
    fi
    exit "$status"
}

case ${1:-} in
    install | check) "$1" ;;
    *)
        echo "usage: action.sh install | check" >&2
        exit 2
        ;;
esac
