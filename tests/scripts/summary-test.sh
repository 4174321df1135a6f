#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The last line of scripts/check counts what really ran.
. "$(dirname "$0")/tap.sh"

# log RESULT STDOUT: one program in meson's log.
log() {
    printf '{"name": "a", "result": "%s", "stdout": "%s"}\n' "$1" "$2" >>log
}

summary() {
    python3 -I "$REPO/scripts/lib/summary.py" log
}

last_line() {
    summary | tail -n 1
}

tap_counts_each_test() {
    log OK '1..3\nok 1 - a\nok 2 - b # SKIP no network\nok - c\n'
    equal '2 passed, 0 failed, 1 skipped' "$(last_line)"
    summary
}

programs_count_once() {
    log OK 'no TAP here, though it is ok'
    log SKIP ''
    equal '1 passed, 0 failed, 1 skipped' "$(last_line)"
}

failures_fail() {
    log FAIL 'ok 1 - a\nnot ok 2 - b\n'
    equal '1 passed, 1 failed, 0 skipped' "$(last_line)"
    fails summary
    matches 'failed: a (FAIL)' "$said"
}

a_crash_is_a_failure() {
    log ERROR '1..2\nok 1 - a\n'
    log TIMEOUT ''
    equal '1 passed, 2 failed, 0 skipped' "$(last_line)"
}

nothing_ran() {
    : >log
    equal '0 passed, 0 failed, 0 skipped' "$(last_line)"
    fails summary
}

no_log() {
    fails summary
    matches 'the tests did not run' "$said"
}

check 'each TAP test counts' tap_counts_each_test
check 'a program without TAP counts once' programs_count_once
check 'a failure is counted, named and returned' failures_fail
check 'a crash or a hang is a failure' a_crash_is_a_failure
check 'no test at all is a failure' nothing_ran
check 'no log is a failure' no_log
finish
