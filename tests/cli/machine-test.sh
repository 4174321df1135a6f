#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Machines with a guest: exit codes, names, and what is left of the dead.
. "$(dirname "$0")/sunder.sh"
need_booted

boots_and_returns_the_code() {
    local got=0
    sunder run faultlab --exec 'echo to-out; echo to-err >&2; exit 7' \
        >out 2>err </dev/null || got=$?
    equal 7 "$got"
    equal to-out "$(cat out)"
    equal to-err "$(cat err)"
    [ ! -e "$XDG_RUNTIME_DIR/sunder/faultlab" ]
}

signal_gives_128_and_more() {
    status 137 restored sig --exec 'kill -9 $$'
}

panic_is_255_with_its_lines() {
    status 255 restored panic --exec 'echo c >/proc/sysrq-trigger'
    matches "the guest's kernel panicked" "$said"
    matches 'Kernel panic - not syncing: sysrq' "$said"
    status 1 "$SUNDER" status panic
    matches 'Kernel panic - not syncing: sysrq' "$said"
    status 0 "$SUNDER" log panic
    matches 'Kernel panic - not syncing: sysrq' "$said"
    status 0 "$SUNDER" list --prune
    status 2 "$SUNDER" status panic
}

power_off_is_255() {
    status 255 restored off --exec 'poweroff; sleep 60'
    matches 'the guest switched itself off' "$said"
}

time_out_is_124() {
    status 124 restored slow --timeout 2 --exec 'sleep 60'
    matches 'slow: out of time after' "$said"
}

guest_that_does_not_boot_is_124() {
    status 124 "$SUNDER" run faultlab --name stuck --append 'init=/bin/true' \
        --boot-timeout 1 --exec true
    matches "before the guest's agent answered" "$said"
}

json_tells_all() {
    local got=0
    restored json --json --exec 'echo hello; exit 3' >out </dev/null || got=$?
    equal 3 "$got"
    equal 'exited 3 hello' "$(python3 -c 'import json, sys
r = json.load(sys.stdin)
assert 0 <= r["started-ms"] <= r["ready-ms"] <= r["answered-ms"]
print(r["outcome"], r["status"], r["stdout"].strip())' <out)"
    got=0
    restored json --json --timeout 1 --exec 'sleep 60' >out 2>/dev/null \
        </dev/null || got=$?
    equal 124 "$got"
    matches '"outcome" : "timeout"' "$(cat out)"
}

two_side_by_side() {
    restored one --detach
    restored two --detach
    sunder exec one 'echo first >/tmp/which'
    sunder exec two 'echo second >/tmp/which'
    equal first "$(sunder exec one 'cat /tmp/which')"
    equal second "$(sunder exec two 'cat /tmp/which')"
    equal 'one two' "$(sunder list --running | awk '{print $1}' | xargs)"
    status 2 restored one --exec true
    matches 'a machine named one is running' "$said"
    sunder stop --force one two
    equal '' "$(sunder list --running)"
}

killed_machine_blocks_nothing() {
    local pid
    restored victim --detach
    pid=$(sunder status victim --json | sed -n 's/.*"pid" : \([0-9]*\).*/\1/p')
    kill -9 "$pid"
    while sunder list --running | grep -q victim; do
        sleep 0.05
    done
    status 1 "$SUNDER" status victim
    matches 'the emulator died' "$said"
    status 5 restored victim --exec 'exit 5'
}

killed_owner_takes_the_machine_along() {
    local owner
    # Not by the function: $! would be the shell around it.
    "$SUNDER" run --restore "$BOOTED" --name orphan --exec 'sleep 600' \
        </dev/null &
    owner=$!
    until sunder status orphan >/dev/null 2>&1; do
        sleep 0.05
    done
    kill -9 "$owner"
    wait "$owner" || true
    for _ in $(seq 100); do
        sunder list --running | grep -q orphan || break
        sleep 0.05
    done
    absent orphan "$(sunder list --running)"
    status 6 restored orphan --exec 'exit 6'
}

interrupt_ends_what_it_started() {
    local owner got=0
    # A script's background jobs ignore SIGINT; SIGTERM takes the same path.
    "$SUNDER" run --restore "$BOOTED" --name broken-off --exec 'sleep 600' \
        </dev/null 2>err &
    owner=$!
    until sunder status broken-off >/dev/null 2>&1; do
        sleep 0.05
    done
    kill -TERM "$owner"
    wait "$owner" || got=$?
    equal 143 "$got"
    absent broken-off "$(sunder list)"
}

bad_qemu_argument_tells_qemus_words() {
    status 125 "$SUNDER" run faultlab --name bad --exec true -- \
        -device no-such-device
    matches "'no-such-device' is not a valid device model name" "$said"
    sunder list --prune
}

command_line_runs_again() {
    restored line --keep --exec true </dev/null
    matches "^/.*qemu-system-x86_64 -name line " \
        "$(sunder log --which cmdline line)"
    sunder list --prune
}

check 'a command in a fresh machine gives output and code' \
    boots_and_returns_the_code
check 'a command ended by a signal gives 128 and more' \
    signal_gives_128_and_more
check 'a panic is 255 and shows its lines' panic_is_255_with_its_lines
check 'a guest that switches itself off is 255' power_off_is_255
check 'a time-out is 124' time_out_is_124
check 'a guest that does not boot in time is 124' \
    guest_that_does_not_boot_is_124
check '--json tells outcome, code, output and times' json_tells_all
check 'two machines run side by side' two_side_by_side
check 'a killed machine blocks nothing and says that it died' \
    killed_machine_blocks_nothing
check 'a killed owner takes its machine along' \
    killed_owner_takes_the_machine_along
check 'an interrupt ends what it started' interrupt_ends_what_it_started
check "a bad argument shows QEMU's own words" \
    bad_qemu_argument_tells_qemus_words
check 'the exact command line is kept' command_line_runs_again
finish
