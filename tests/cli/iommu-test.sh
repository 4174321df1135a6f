#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sunder iommu and --watch, against a machine that answers from a file.
. "$(dirname "$0")/sunder.sh"

# machine ANSWER: a machine "lab" whose query-sunder-iommu returns that.
machine() {
    printf '{"query-sunder-iommu": %s, "sunder-iommu-set-mode": %s}' "$1" \
        "${2-{\}}" >answers
    fake_machine
}

# device NAME STALE: one of an answer
device() {
    printf '{"device": %s, "requester-id": 8, "translations": 2100000,
        "entries": 812, "misses": 64367, "revalidated": 60096, "stale": %s,
        "blocked": 0, "ledger": {"invalidations": 2190, "entries": 1000,
        "stale-entries": 400, "window-total-ns": 2000000000,
        "window-max-ns": 12345678}}' "$1" "$2"
}

# iommu DEVICES
iommu() {
    printf '{"id": "iommu0", "mode": "report", "bounce": false,
        "translating": true, "invalidations": 2190, "lost": 3, "pending": 1,
        "devices": [%s]}' "$1"
}

the_table_shows_each_device() {
    machine "$(iommu "$(device '"disk0"' 7),$(device '"nic0"' 0)")"
    status 0 "$SUNDER" iommu lab
    matches '^iommu0: mode report, bounce off, translation on; 2190' "$said"
    matches '2190 invalidations, 3 lost, 1 pending' "$said"
    matches '^  disk0  *00:01.0  *7  *0  *2100000  *64367  *60096  *812 ' \
        "$said"
    matches '400/1000  12.3 ms  5.00 ms$' "$said"
    matches '^  nic0 ' "$said"
}

without_devices_it_says_so() {
    machine "$(iommu '')"
    status 0 "$SUNDER" iommu lab
    matches 'no device has used it yet' "$said"
}

json_is_what_the_machine_said() {
    machine "$(iommu "$(device '"disk0"' 7)")"
    status 0 "$SUNDER" iommu lab --json
    equal '7 2190' "$(printf '%s' "$said" | python3 -c 'import json, sys
r = json.load(sys.stdin)
print(r["devices"][0]["stale"], r["invalidations"])')"
}

hostile_names_do_not_reach_the_terminal() {
    machine "$(iommu "$(device '"\u001b]0;owned\u0007\u009b2J\u202edisk\nx"' \
        1)")"
    status 0 "$SUNDER" iommu lab
    matches '\\u{1b}\]0;owned\\u{7}\\u{9b}2J\\u{202e}disk\\u{a}x' "$said"
    # Nothing but printable characters and newlines is left.
    equal '' "$(printf '%s' "$said" | tr -d '\n\040-\176')"
    machine '{"error": "no \u001b[31mIOMMU\u001b[0m"}'
    status 1 "$SUNDER" iommu lab
    matches 'no \\u{1b}\[31mIOMMU\\u{1b}\[0m' "$said"
}

answers_of_another_form_do_no_harm() {
    local answer
    for answer in '7' '[]' '{}' '{"devices": 7}' '{"devices": [7, null]}' \
        '{"devices": [{"ledger": 7, "requester-id": "x", "device": 4}]}' \
        '{"id": {}, "mode": [], "devices": [{"ledger": {}}]}'; do
        machine "$answer"
        status 0 "$SUNDER" iommu lab
        absent 'CRITICAL' "$said"
        kill $!
    done
}

mode_and_bounce_are_sent() {
    machine "$(iommu '')"
    status 0 "$SUNDER" iommu lab mode enforce --bounce on
    matches '^sunder-iommu-set-mode {"mode": "enforce", "bounce": true}$' \
        "$(cat lab.heard)"
    status 0 "$SUNDER" iommu lab mode stock
    matches '^sunder-iommu-set-mode {"mode": "stock"}$' "$(cat lab.heard)"
}

a_refusal_is_told() {
    machine "$(iommu '')" '{"error": "vfio0 does DMA without QEMU"}'
    status 1 "$SUNDER" iommu lab mode enforce
    matches 'vfio0 does DMA without QEMU' "$said"
}

# watch SIGNAL OPTION...: what --watch writes to a pipe until 3 tables came
watch() {
    local signal=$1 i pid
    shift
    : >out
    "$SUNDER" iommu lab "$@" >out 2>err </dev/null &
    pid=$!
    for i in $(seq 600); do
        [ "$(grep -c '^iommu0:' out || true)" -lt 3 ] || break
        sleep 0.05
    done
    kill "-$signal" "$pid"
    watched=0
    wait "$pid" || watched=$?
    equal '' "$(cat err)"
}

watch_appends_on_a_pipe() {
    machine "$(iommu "$(device '"disk0"' 7)")"
    watch INT --watch 20ms
    equal 0 "$watched"
    [ "$(grep -c '^  disk0 ' out)" -ge 3 ]
    # Between two tables an empty line, and nothing for a terminal.
    equal '' "$(sed -n 4p out)"
    equal '' "$(tr -d '\n\040-\176' <out)"
    watch TERM --watch=20ms
    equal 143 "$watched"
}

watch_ends_with_the_machine() {
    machine "$(iommu '')"
    "$SUNDER" iommu lab --watch 20ms >out 2>err </dev/null &
    watcher=$!
    for i in $(seq 600); do
        [ ! -s out ] || break
        sleep 0.05
    done
    trap - EXIT
    kill %1
    got=0
    wait "$watcher" || got=$?
    [ "$got" -ne 0 ]
    # Between two questions, or in the middle of one
    matches 'lab: no such machine\|closed the connection' "$(cat err)"
}

watch_of_a_silent_machine_can_be_ended() {
    local i watcher
    machine '{"silent": true}'
    "$SUNDER" iommu lab --watch >out 2>err </dev/null &
    watcher=$!
    for i in $(seq 200); do
        ! grep -q query-sunder-iommu lab.heard || break
        sleep 0.05
    done
    SECONDS=0
    kill -INT "$watcher"
    wait "$watcher"
    [ "$SECONDS" -lt 20 ]
    equal '' "$(cat out err)"
}

# A window of 10 lines and 50 columns
on_a_terminal() {
    python3 -I - "$SUNDER" "$@" <<'END'
import fcntl, os, pty, re, signal, struct, sys, termios
os.environ['TERM'] = 'xterm'
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('4H', 10, 50, 0, 0))
child = os.fork()
if child == 0:
    os.setsid()
    for fd in range(3):
        os.dup2(slave, fd)
    os.execv(sys.argv[1], sys.argv[1:])
os.close(slave)
text = ''
while text.count('\x1b[H') < 4:
    text += os.read(master, 65536).decode()
os.kill(child, signal.SIGINT)
try:
    while (more := os.read(master, 65536)):
        text += more.decode()
except OSError:
    pass
_, status = os.waitpid(child, 0)
lines = [re.sub('\x1b\\[[?0-9]*[A-Za-z]', '', line).rstrip('\r')
         for line in text.split('\n')]
print(status, max(map(len, lines)), text.endswith('\x1b[?25h'),
      text.count('more lines') > 0, '\x1b[J' in text)
END
}

watch_redraws_on_a_terminal() {
    local devices i
    devices=$(device '"disk0"' 7)
    for i in $(seq 20); do
        devices+=,$(device "\"disk$i\"" 0)
    done
    machine "$(iommu "$devices")"
    equal '0 50 True True True' \
        "$(on_a_terminal iommu lab --watch 20ms)"
}

check 'the table shows each device' the_table_shows_each_device
check 'without devices it says so' without_devices_it_says_so
check '--json is what the machine said' json_is_what_the_machine_said
check 'hostile names do not reach the terminal' \
    hostile_names_do_not_reach_the_terminal
check 'answers of another form do no harm' answers_of_another_form_do_no_harm
check 'mode and bounce are sent' mode_and_bounce_are_sent
check 'a refusal is told' a_refusal_is_told
check '--watch appends on a pipe' watch_appends_on_a_pipe
check '--watch ends with the machine' watch_ends_with_the_machine
check '--watch of a silent machine can be ended' \
    watch_of_a_silent_machine_can_be_ended
check '--watch redraws on a terminal' watch_redraws_on_a_terminal
finish
