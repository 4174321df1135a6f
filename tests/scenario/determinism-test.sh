#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The same seed and scenario give the same log of faults, byte for byte.
. "$(dirname "$0")/../cli/sunder.sh"
need_guest

SCENARIO=$REPO/scenarios/rac/determinism.yaml

# faults OUTPUT OPTION...: runs it, and prints where its log is
faults() {
    local output=$1
    shift
    status 0 "$SUNDER" scenario run --keep --output "$output" "$@" "$SCENARIO"
    log=$(echo "$output"/*/faults.log)
    [ "$(wc -l <"$log")" -ge 5 ]
}

twice_is_the_same() {
    faults one
    first=$log
    faults two
    cmp "$first" "$log" || { diff "$first" "$log"; return 1; }
    cp "$first" "$XDG_RUNTIME_DIR/seed-42"
}

another_seed_is_another_log() {
    faults one --seed 43
    ! cmp -s "$XDG_RUNTIME_DIR/seed-42" "$log"
}

check 'the same seed twice gives the same log' twice_is_the_same
check 'another seed gives another log' another_seed_is_another_log
finish
