#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The console and commands of one machine, from programs without a terminal.
. "$(dirname "$0")/sunder.sh"
need_booted
restored lab --detach >/dev/null || exit 1

input_is_forwarded() {
    equal 'one two' "$(printf 'one two' | sunder exec lab cat)"
    equal 3000000 "$(head -c 3000000 /dev/zero | sunder exec lab 'wc -c')"
}

output_is_whole() {
    sunder exec lab 'head -c 3000000 /dev/zero' </dev/null >out
    equal 3000000 "$(stat -c %s out)"
}

output_and_errors_are_apart() {
    sunder exec lab 'echo out; echo err >&2' >out 2>err </dev/null
    equal out "$(cat out)"
    equal err "$(cat err)"
}

words_are_joined() {
    equal 'a  b' "$(sunder exec lab echo "'a  b'" </dev/null)"
    equal '-n' "$(sunder exec lab printf %s -n </dev/null)"
}

terminal_is_one() {
    status 0 "$SUNDER" exec -t lab 'test -t 0 && test -t 1 && stty size'
    status 1 "$SUNDER" exec lab 'test -t 0'
}

commands_run_beside_each_other() {
    sunder exec lab 'until [ -e /tmp/go ]; do sleep 0.1; done; echo first' \
        </dev/null >first &
    equal second "$(sunder exec lab 'echo second; touch /tmp/go' </dev/null)"
    wait $!
    equal first "$(cat first)"
}

verbs_answer_while_a_command_runs() {
    "$SUNDER" exec lab 'touch /tmp/runs; sleep 60' </dev/null &
    sunder exec lab 'until [ -e /tmp/runs ]; do sleep 0.1; done' </dev/null
    status 0 timeout 5 "$SUNDER" rac lab
    status 0 timeout 5 "$SUNDER" fault list lab
    status 0 timeout 5 "$SUNDER" qmp lab query-status
    kill $!
    wait $! || true
}

nine_commands_get_their_turn() {
    local i
    for i in 1 2 3 4 5 6 7 8 9; do
        sunder exec lab "sleep 1; echo $i" </dev/null >"out$i" &
    done
    wait
    equal '1 2 3 4 5 6 7 8 9' "$(cat out? | sort | xargs)"
}

time_limit_of_a_command() {
    status 124 "$SUNDER" exec --timeout 1 lab 'sleep 600'
    status 0 "$SUNDER" exec lab true
    # The command has gone with its connection.
    status 0 "$SUNDER" exec lab \
        'for i in 1 2 3 4 5 6; do pidof sleep || exit 0; sleep 1; done; exit 1'
}

flooded_console_does_not_disturb() {
    sunder exec lab 'while :; do echo flood; done >/dev/ttyS0 &
        echo $! >/tmp/flood' </dev/null
    for i in 1 2 3 4 5; do
        equal "answer $i" "$(sunder exec lab "echo answer $i" </dev/null)"
    done
    sunder exec lab 'kill $(cat /tmp/flood)' </dev/null
}

# The console's log keeps a copy whoever listens.
console_is_a_plain_stream() {
    { printf 'echo a-$((40 + 2))-b\n'; sleep 2; } |
        sunder console --timeout 4 lab >out 2>err || true
    matches 'a-42-b' "$(cat out)"
    matches 'a-42-b' "$(sunder log lab)"
}

console_time_limit_detaches() {
    status 0 "$SUNDER" console --timeout 1 lab
    equal running "$(sunder list --running | awk '$1 == "lab" {print $2}')"
}

qmp_returns_json() {
    status 0 "$SUNDER" qmp lab query-status
    matches '"status" : "running"' "$said"
    status 1 "$SUNDER" qmp lab no-such-command
    matches 'no-such-command has not been found' "$said"
    status 125 "$SUNDER" qmp lab query-status 'no json'
}

qmp_takes_a_stream() {
    printf '%s\n' '{"execute": "query-name"}' '{"execute": "nope"}' |
        sunder qmp lab >out || true
    matches '^{"return":{"name":"lab"}}$' "$(head -n 1 out)"
    matches '^{"error":' "$(tail -n 1 out)"
}

faults_come_and_go() {
    local id
    status 0 "$SUNDER" fault points lab
    matches '^rac1/disk0/bar0 (16384 bytes)' "$said"
    status 0 "$SUNDER" fault points lab rac1/disk0/bar0
    matches '^  completion-timeout .*--duration' "$said"
    id=$(sunder fault add lab rac1/disk0/bar0 completion-timeout \
        --after 1000000 --count 2 --duration 10ms)
    status 0 "$SUNDER" fault list lab
    matches "^$id  *rac1/disk0/bar0  *completion-timeout " "$said"
    status 0 "$SUNDER" fault list lab --json
    matches '"duration" : 10000000' "$said"
    status 0 "$SUNDER" fault remove lab "$id"
    equal '' "$(sunder fault list lab)"
    status 1 "$SUNDER" fault remove lab "$id"
}

unknown_points_list_points() {
    status 1 "$SUNDER" fault add lab rac9/nothing drop
    matches 'rac9/nothing' "$said"
    matches 'rac0/link' "$said"
    status 1 "$SUNDER" fault add lab rac1/disk0/bar0 explode
    matches 'explode' "$said"
    matches 'completion-timeout' "$said"
}

controllers_are_shown_and_set() {
    status 0 "$SUNDER" rac lab
    matches '^rac0 (sunder-rac-port)' "$said"
    matches '^  rac0/nic0/bar0  *memory ' "$said"
    status 0 "$SUNDER" rac lab label rac0/nic0 --fake zero
    status 0 "$SUNDER" rac lab
    matches '^  rac0/nic0/bar0 .* zero (command) ' "$said"
    status 0 "$SUNDER" rac lab clear rac0/nic0
    status 0 "$SUNDER" rac lab
    absent '^  rac0/nic0/bar0 .*(command)' "$said"
    status 1 "$SUNDER" rac lab label rac7
    matches 'rac7' "$said"
}

stop_asks_the_guest() {
    local log
    log=$(sunder log --path lab)
    tail -F "$log" >copy 2>/dev/null &
    sunder stop lab
    sleep 0.2
    kill $!
    matches 'reboot: Power down' "$(cat copy)"
    equal '' "$(sunder list)"
}

check 'standard input is forwarded, however long' input_is_forwarded
check 'output comes back whole' output_is_whole
check 'output and errors come back apart' output_and_errors_are_apart
check "words are joined for the guest's shell" words_are_joined
check '-t gives a terminal' terminal_is_one
check 'commands run beside each other' commands_run_beside_each_other
check 'other verbs answer while a command runs' \
    verbs_answer_while_a_command_runs
check 'one command more than ports gets its turn' \
    nine_commands_get_their_turn
check 'a time limit ends the command, not the machine' \
    time_limit_of_a_command
check 'a flooded console does not disturb commands' \
    flooded_console_does_not_disturb
check 'without a terminal the console is a plain stream' \
    console_is_a_plain_stream
check 'a time limit detaches from the console' console_time_limit_detaches
check 'qmp prints what a command returns' qmp_returns_json
check 'qmp takes a stream of commands' qmp_takes_a_stream
check 'fault rules come and go' faults_come_and_go
check 'unknown points and outcomes list what there is' \
    unknown_points_list_points
check 'controllers are shown and set' controllers_are_shown_and_set
check 'stop lets the guest switch itself off' stop_asks_the_guest
finish
