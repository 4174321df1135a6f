#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's programs that write to memory, tried on the host: they need
# nothing of the guest.
. "$(dirname "$0")/../scripts/tap.sh"

intact_memory_passes() {
    "$MEM_CHECK" --memory 4 --threads 3 --seconds 1 --json >said
    equal 0 "$(jq .lost said)"
    jq -e '.writes > 1000 and .compared > .writes' said
}

a_lost_page_is_found() {
    fails "$MEM_CHECK" --memory 4 --threads 1 --seconds 1 --spoil 100
    matches 'page [0-9]*, word 0: expected 0x[0-9a-f]*1, found 0x0' "$said"
    matches ' 1 lost$' "$said"
}

a_signal_ends_the_check() {
    "$MEM_CHECK" --memory 1 >said &
    # SIGINT and SIGTERM are bits 1 and 14 of those that it catches.
    until grep -q '^SigCgt:.*4002$' "/proc/$!/status"; do
        sleep 0.05
    done
    kill $!
    wait $!
    matches ' 0 lost$' "$(cat said)"
}

writes_are_timed() {
    "$MEM_BENCH" --memory 4 --seconds 1 --zero 25 --json >said
    jq -e '.all.writes == .zero.writes + .data.writes' said
    jq -e '.zero.writes / .all.writes | . > 0.2 and . < 0.3' said
    jq -e '.all | .["p50-ns"] <= .["p99-ns"] and
        .["p99-ns"] <= .["p99.9-ns"] and .["p99.9-ns"] <= .["max-ns"]' said
}

wrong_options_are_told() {
    fails "$MEM_BENCH" --zero 101
    matches 'zero 101: expected a number from 0 to 100' "$said"
    fails "$MEM_CHECK" --threads 0
    matches 'threads 0: expected a number from 1 to 64' "$said"
    fails "$MEM_CHECK" surplus
    matches '^Usage: mem-check' "$said"
}

check 'intact memory passes' intact_memory_passes
check 'a page that is lost is found' a_lost_page_is_found
check 'a signal ends the check' a_signal_ends_the_check
check 'writes are timed' writes_are_timed
check 'wrong options are told' wrong_options_are_told
finish
