#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The runner with a guest: how each outcome is told, and what is kept.
. "$(dirname "$0")/../cli/sunder.sh"
need_guest

export XDG_STATE_HOME=$XDG_RUNTIME_DIR/state
HEAD='machine: faultlab\n'

# scenario FILE TEXT
scenario() {
    printf '%b' "name: ${1%.yaml}\n$HEAD$2" >"$1"
}

run() {
    "$SUNDER" scenario run "$@"
}

a_pass_leaves_nothing() {
    scenario a.yaml 'steps:\n  - run: uname -r\n    expect: {output: "^6"}\n'
    status 0 run --junit r.xml a.yaml
    matches '^pass  *a ' "$said"
    matches '1 passed' "$said"
    matches 'tests="1" failures="0" errors="0"' "$(cat r.xml)"
    equal '' "$(ls "$XDG_STATE_HOME/sunder/runs")"
}

a_failure_keeps_what_is_needed() {
    scenario f.yaml 'steps:\n  - run: echo found it; exit 3\n'
    status 1 run --output kept --tap --junit r.xml f.yaml
    matches '^not ok 1 - f' "$said"
    matches 'kind: "fail"' "$said"
    matches 'at: "f.yaml:4"' "$said"
    matches 'expected 0, found 3' "$said"
    matches '<failure type="assertion"' "$(cat r.xml)"
    local file
    for file in README cmdline console.log commands.log qmp.log faults.log \
        scenario.yaml result.json snapshot; do
        [ -e kept/*/$file ] || { echo "no $file"; return 1; }
    done
    matches 'found it' "$(cat kept/*/commands.log)"
    matches '"execute"' "$(cat kept/*/qmp.log)"
    "$SUNDER" snap remove "$(cat kept/*/snapshot)"
}

a_failed_machine_can_be_entered() {
    scenario e.yaml 'steps:\n  - run: echo mark >/tmp/mark; exit 1\n'
    status 1 run --output kept e.yaml
    local name
    name=$(cat kept/*/snapshot)
    status 0 "$SUNDER" run --restore "$name" --exec 'cat /tmp/mark'
    "$SUNDER" snap remove "$name"
    matches '^mark$' "$said"
}

a_guest_that_does_not_boot_is_a_boot_error() {
    scenario b.yaml 'boot: {append: init=/nosuch rdinit=/nosuch}\nsteps: [run: x]\n'
    status 1 run --tap --junit r.xml --output kept b.yaml
    matches 'kind: "boot-error"' "$said"
    matches '<error type="boot"' "$(cat r.xml)"
    matches 'panic' "$(cat kept/*/console.log)"
}

an_emulator_that_does_not_start_is_an_error() {
    scenario i.yaml 'boot: {args: [-device, nosuch]}\nsteps: [run: x]\n'
    status 125 run --tap --junit r.xml --output kept i.yaml
    matches 'kind: "error"' "$said"
    matches 'nosuch' "$said"
    matches '<error type="infrastructure"' "$(cat r.xml)"
}

a_skip_says_why() {
    scenario s.yaml \
        'skip-if: {run: "true", reason: not here}\nsteps: [run: "false"]\n'
    status 77 run --tap s.yaml
    matches '^ok 1 - s # SKIP not here$' "$said"
}

missing_huge_pages_are_a_skip() {
    scenario h.yaml \
        'needs: {huge-pages: 100000000}\nsteps: [run: "false"]\n'
    status 77 run --tap h.yaml
    matches '^ok 1 - h # SKIP needs 100000000 free huge pages' "$said"
}

time_is_limited() {
    scenario t.yaml 'steps:\n  - run: sleep 100\n    timeout: 1s\n'
    status 1 run --output kept t.yaml
    matches 'did not end in time' "$said"
    scenario u.yaml 'timeout: 2s\nsteps:\n  - run: sleep 100\n'
    status 1 run --output kept2 u.yaml
    matches 'did not end in time: .*out of time' "$said"
    local file
    for file in kept/*/snapshot kept2/*/snapshot; do
        "$SUNDER" snap remove "$(cat "$file")"
    done
}

a_panic_is_a_failure_with_its_lines() {
    scenario p.yaml \
        'steps:\n  - run: echo c >/proc/sysrq-trigger\n    timeout: 30s\n'
    status 1 run --output kept p.yaml
    matches 'panic' "$said"
    matches 'sysrq' "$said"
}

jobs_and_repeat_run_side_by_side() {
    scenario j.yaml 'seed: 3\nsteps:\n  - run: "true"\n'
    status 0 run --tap --jobs 2 --repeat 3 j.yaml
    matches '^1..3$' "$said"
    matches '^ok 1 - j (1 of 3) \[seed 3\]$' "$said"
    matches '^ok 3 - j (3 of 3) \[seed ' "$said"
}

an_interrupt_leaves_no_machine() {
    scenario k.yaml 'steps:\n  - run: sleep 100\n'
    local before got=0
    before=$("$SUNDER" list --json)
    "$SUNDER" scenario run k.yaml >out 2>&1 &
    local pid=$!
    sleep 8
    kill -TERM "$pid"
    wait "$pid" || got=$?
    equal 125 "$got"
    matches 'interrupted' "$(cat out)"
    equal "$before" "$("$SUNDER" list --json)"
}

check 'a pass leaves nothing' a_pass_leaves_nothing
check 'a failure keeps what is needed' a_failure_keeps_what_is_needed
check 'a failed machine can be entered' a_failed_machine_can_be_entered
check 'a guest that does not boot is a boot error' \
    a_guest_that_does_not_boot_is_a_boot_error
check 'an emulator that does not start is an error' \
    an_emulator_that_does_not_start_is_an_error
check 'a skip says why' a_skip_says_why
check 'huge pages that are not there are a skip' missing_huge_pages_are_a_skip
check 'time is limited' time_is_limited
check 'a panic is a failure with its lines' a_panic_is_a_failure_with_its_lines
check 'jobs and repeat run side by side' jobs_and_repeat_run_side_by_side
check 'an interrupt leaves no machine' an_interrupt_leaves_no_machine
finish
