#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sunder balloon, against a machine that answers from a file.
. "$(dirname "$0")/sunder.sh"

# machine INFO [MAP [SWEEP [EVENTS]]]: a machine "lab" that answers with these
machine() {
    printf '{"query-sunder-balloon": %s, "query-sunder-balloon-map": %s,
        "sunder-balloon-sweep": %s, "balloon": {},
        "events": {"sunder-balloon-sweep": %s}}' "$1" "${2:-[]}" \
        "${3:-{\}}" "${4:-[]}" >answers
    fake_machine
}

# sweep ID STATE
sweep() {
    printf '{"id": %s, "cause": "command", "mode": "all", "state": "%s",
        "guard": "write-protect", "scanned": 1073741824,
        "matching": 994050048, "taken": 985661440, "super-pages": 463,
        "pages": 5632, "raced": 0, "skipped": 0, "duration-ns": 81200000,
        "stall-max-ns": 90000}' "$1" "$2"
}

# swept ID STATE: the event of its end
swept() {
    printf '{"event": "SUNDER_BALLOON_SWEPT", "data": {"balloon": "b",
        "sweep": %s, "virtual-ns": 5}, "timestamp": {}}' "$(sweep "$@")"
}

INFO='{"id": "balloon0", "memory": 1073741824, "target": 1056964608,
    "actual": 1056964608, "ballooned": 16777216, "swept": 985661440,
    "came-back": 4096, "resident": 62914560, "when": "periodic",
    "period-ns": 500000000, "pattern": 0, "credit": true,
    "features": ["stats-vq"], "sweeps": 0}'

the_balloon_is_shown() {
    machine "$INFO"
    status 0 "$SUNDER" balloon lab
    matches '^balloon0: 1024.0 MiB of memory, sweeps every 0.5 s, swept' \
        "$said"
    matches '^  resident (RSS)  *60.0 MiB$' "$said"
    status 0 "$SUNDER" balloon lab --json
    matches '"resident" : 62914560' "$said"
}

a_size_is_set() {
    machine "$INFO"
    status 0 "$SUNDER" balloon lab set 512M
    equal '' "$said"
    matches '^balloon {"value": 536870912}$' "$(cat lab.heard)"
}

a_sweep_is_waited_for() {
    # Another sweep's end comes first, its own before the command's reply.
    machine "$INFO" '[]' "$(sweep 7 running)" \
        "[$(swept 6 completed), $(swept 8 failed), $(swept 7 completed)]"
    status 0 "$SUNDER" balloon lab sweep --mode super-pages --limit 1M
    matches '^sweep 7: completed after 81.2 ms (cause command' "$said"
    matches '^sunder-balloon-sweep {"mode": "super-pages", "limit": 1048576}' \
        "$(cat lab.heard)"
}

the_end_may_come_before_the_reply() {
    machine "$INFO" '[]' "$(sweep 7 running)" "[$(swept 7 expired)]"
    status 0 "$SUNDER" balloon lab sweep
    matches '^sweep 7: expired' "$said"
}

a_sweep_that_failed_is_a_failure() {
    machine "$INFO" '[]' "$(sweep 7 running)" "[$(swept 7 failed)]"
    status 1 "$SUNDER" balloon lab sweep --json
    matches '"state" : "failed"' "$said"
}

waiting_is_limited() {
    machine "$INFO" '[]' "$(sweep 7 running)" "[$(swept 6 completed)]"
    status 124 "$SUNDER" balloon lab sweep --timeout 300ms
    matches 'sweep 7 has not ended within 0.3 s; it goes on' "$said"
}

a_refusal_is_told() {
    machine "$INFO" '[]' '{"error": "vfio: \u001b[31mnic0 maps all memory"}'
    status 1 "$SUNDER" balloon lab sweep
    matches 'sunder-balloon-sweep: vfio: .u{1b}.31mnic0 maps all' "$said"
}

# so many entries of a list
entries() {
    local i
    printf '[{"block": "pc.ram", "offset": 0, "length": 4096}'
    for ((i = 1; i < $1; i++)); do
        printf ', {"block": "pc.ram", "offset": %s, "length": 4096}' \
            $((i * 8192))
    done
    printf ']'
}

a_long_list_comes_in_parts_and_has_an_end() {
    machine "$INFO" "$(entries 1000)"
    status 0 "$SUNDER" balloon lab map
    matches 'more follow; the list was cut here' "$said"
    equal 64000 "$(printf '%s\n' "$said" | grep -c '^pc.ram ')"
    matches '^query-sunder-balloon-map {"start": 63000, "limit": 1000}$' \
        "$(cat lab.heard)"
}

words_of_the_machine_do_not_reach_the_terminal() {
    local word='"\u001b]0;owned\u0007\u009b2J\u202eb\nx"'
    machine "{\"id\": $word, \"inhibited\": $word, \"features\": [$word],
        \"last\": {\"state\": $word, \"error\": $word}}" \
        "[{\"block\": $word, \"offset\": 0, \"length\": 4096}]"
    status 0 "$SUNDER" balloon lab
    matches '^\\u{1b}\]0;owned\\u{7}\\u{9b}2J\\u{202e}b\\u{a}x: 0 B' "$said"
    equal '' "$(printf '%s' "$said" | tr -d '\n\040-\176')"
    status 0 "$SUNDER" balloon lab map
    equal '' "$(printf '%s' "$said" | tr -d '\n\040-\176')"
}

answers_of_another_form_do_no_harm() {
    local answer
    for answer in '{}' '{"last": 7, "features": {}, "when": 3}' \
        '{"last": {"state": {}, "id": "x"}, "features": [7, {}], "id": []}'
    do
        machine "$answer" '[7, null, {}, {"block": 7, "super-page": "x"}]'
        status 0 "$SUNDER" balloon lab
        absent 'CRITICAL' "$said"
        status 0 "$SUNDER" balloon lab map
        absent 'CRITICAL' "$said"
        kill $!
    done
    machine '[]' '{}' '7'
    status 125 "$SUNDER" balloon lab
    status 125 "$SUNDER" balloon lab map
    status 125 "$SUNDER" balloon lab sweep
    matches 'sunder-balloon-sweep: the emulator answered in a form' "$said"
    absent 'CRITICAL' "$said"
}

watching_goes_on_until_a_signal() {
    local i got=0
    machine "$INFO"
    "$SUNDER" balloon lab --watch 20ms >out 2>err </dev/null &
    watcher=$!
    for i in $(seq 600); do
        [ "$(grep -c '^balloon0:' out)" -lt 3 ] || break
        sleep 0.05
    done
    kill -INT "$watcher"
    wait "$watcher" || got=$?
    equal 0 "$got"
    [ "$(grep -c '^balloon0:' out)" -ge 3 ]
    equal '' "$(cat err)"
}

check 'the balloon is shown' the_balloon_is_shown
check 'a size is set' a_size_is_set
check 'the end of a sweep is waited for' a_sweep_is_waited_for
check 'its end may come before the reply' the_end_may_come_before_the_reply
check 'a sweep that failed is a failure' a_sweep_that_failed_is_a_failure
check 'waiting is limited' waiting_is_limited
check 'a refusal is told' a_refusal_is_told
check 'a long list comes in parts and has an end' \
    a_long_list_comes_in_parts_and_has_an_end
check 'words of the machine do not reach the terminal' \
    words_of_the_machine_do_not_reach_the_terminal
check 'answers of another form do no harm' answers_of_another_form_do_no_harm
check 'watching goes on until a signal' watching_goes_on_until_a_signal
finish
