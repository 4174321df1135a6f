#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sunder net, against a machine that answers from a file.
. "$(dirname "$0")/sunder.sh"

# machine ANSWER [POLICY]: a machine "lab" whose query-sunder-nic returns that
machine() {
    answers "$@"
    fake_machine
}

answers() {
    printf '{"query-sunder-nic": %s, "sunder-nic-set-policy": %s}' "$1" \
        "${2-{\}}" >answers.new
    mv answers.new answers
}

# port NAME PACKETS [BACKEND]
port() {
    printf '{"name": %s, %s "link-up": true, "speed-mbps": 10000,
        "receive": {"chains": 10, "sub-chains": 20, "packets": %s,
            "bytes": 64000, "lookups": 20,
            "chain-length": [1, 0, 2, 0, 3, 0, 4, 0],
            "sub-chain-length": [20, 0, 0, 0, 0, 0, 0, 0]},
        "transmit-packets": 77, "transmit-bytes": 5000,
        "receive-dropped": 11, "transmit-dropped": 12, "malformed": 13,
        "stopped": 14, "paused": 15}' "$1" "${3:+\"backend\": \"$3\",}" "$2"
}

# member PORT
member() {
    printf '{"port": "%s", "active": true, "packets": 300, "bytes": 18000,
        "lacp": {"receive-state": "current", "mux-state": "distributing",
            "actor-state": 61, "partner-system": "52:54:00:5d:0b:00",
            "partner-key": 9, "partner-port": 2, "partner-state": 199,
            "received": 41, "sent": 42, "expired": 43}}' "$1"
}

# aggregation NAME
aggregation() {
    printf '{"name": "%s", "policy": "l3l4", "adaptive": true,
        "threshold": 1.25, "interval-ns": 500000000, "spread": 1.0625,
        "changes": 2, "moving": 7, "lacp": "active", "members": [%s, %s]}' \
        "$1" "$(member nic0.p0)" "$(member nic0.p1)"
}

# card PACKETS AGGREGATIONS
card() {
    printf '[{"id": "nic0", "ports": [%s, %s, %s], "functions": [
        {"number": 0, "port": "nic0.a0", "mac": "52:54:00:5d:0a:00",
         "running": true, "broken": false, "queue-pairs": 2,
         "features": 5, "direct": true, "polled": false,
         "receive-packets": 1000, "receive-bytes": 64000,
         "receive-dropped": 21, "receive-interrupts": 16,
         "receive-merged": 22, "transfers": 100, "transmit-packets": 500,
         "transmit-bytes": 30000, "transmit-segmented": 23,
         "transmit-interrupts": 5, "bad-requests": 24}],
        "aggregations": [%s]}]' "$(port '"nic0.p0"' "$1" wire0)" \
        "$(port '"nic0.p1"' 40)" "$(port '"nic0.a0"' 40)" "$2"
}

ONE=$(card 1000 "$(aggregation nic0.a0)")

the_card_is_shown() {
    machine "$ONE"
    status 0 "$SUNDER" net lab
    matches '^nic0: 2 wires, 1 function, 1 aggregation$' "$said"
    matches '^  nic0.p0  *up  *10000  *1000  *-  *77  *-  wire0$' "$said"
    matches '^  nic0.p1 .* 77  *-  -$' "$said"
    matches '^  nic0.p1  *11  *12  *13  *14  *15$' "$said"
    matches '^  nic0.f0  *nic0.a0  *52:54:00:5d:0a:00 running  *2  direct$' \
        "$said"
    matches '^  nic0.f0  *1000  0.016  *21  *22  *500  0.010  *23  *24$' \
        "$said"
}

the_aggregation_and_its_lacp_are_shown() {
    machine "$ONE"
    status 0 "$SUNDER" net lab
    matches '^nic0.a0: policy l3l4, another one above a spread of 1.25; LACP ' \
        "$said"
    matches '^  spread 1.06 in the last 0.5 s; changed 2 times by itself; 7 ' \
        "$said"
    matches '^  nic0.p1  *yes  *600  *36000  *50%  52:54:00:5d:0b:00  *9  *2$' \
        "$said"
    # 61 and 199: IEEE 802.1AX-2014, 6.4.2.3
    matches '^  nic0.p1  *current  *distributing A-GYCD-- ASG---FX  *41  *42 ' \
        "$said"
}

a_line_has_eighty_columns() {
    machine "$ONE"
    status 0 "$SUNDER" net lab
    absent '^.\{81\}' "$said"
    status 0 "$SUNDER" net lab --help
    absent '^.\{81\}' "$said"
}

the_histogram_is_shown() {
    machine "$ONE"
    status 0 "$SUNDER" net lab
    matches '^  So far frames came in chains of$' "$said"
    matches '^  nic0.p0  *10  *100.0  *50.0  *1  *[.]  *2  *[.]  *3  *[.]  *4 ' \
        "$said"
}

json_is_what_the_machine_said() {
    machine "$ONE"
    status 0 "$SUNDER" net lab --json
    equal '1000 1.0625' "$(printf '%s' "$said" | python3 -c 'import json, sys
r = json.load(sys.stdin)[0]
print(r["ports"][0]["receive"]["packets"], r["aggregations"][0]["spread"])')"
}

without_a_card_it_says_so() {
    machine '[]'
    status 0 "$SUNDER" net lab
    matches 'no network card with many ports' "$said"
    status 0 "$SUNDER" net lab --card nic9
    matches '^query-sunder-nic {"id": "nic9"}$' "$(cat lab.heard)"
}

hostile_names_do_not_reach_the_terminal() {
    machine "[{\"id\": \"\\u001b]0;x\\u0007\", \"ports\": [
        $(port '"\u009b2J\u202ep0"' 1 '\u001b[31m')]}]"
    status 0 "$SUNDER" net lab
    equal '' "$(printf '%s' "$said" | tr -d '\n\040-\176')"
    matches '\\u{1b}\]0;x\\u{7}' "$said"
}

answers_of_another_form_do_no_harm() {
    local answer
    for answer in '7' '{}' '[7, null, {}]' '[{"ports": 7}]' \
        '[{"ports": [7, {}, {"receive": 4, "name": {}}]}]' \
        '[{"functions": [null, {"number": "x"}], "aggregations": [[]]}]' \
        '[{"aggregations": [{"members": [3, {"lacp": 4}, {"lacp": {}}]}]}]' \
        '[{"ports": [{"receive": {"chains": 1, "chain-length": ["x", {}]}}]}]'
    do
        machine "$answer"
        status 0 "$SUNDER" net lab
        absent 'CRITICAL' "$said"
        kill $!
    done
}

the_only_aggregation_needs_no_name() {
    machine "$ONE"
    status 0 "$SUNDER" net lab policy l4
    matches '^sunder-nic-set-policy {"aggregation": "nic0.a0", "policy": "l4"}' \
        "$(cat lab.heard)"
    status 0 "$SUNDER" net lab policy --adaptive off
    matches '{"aggregation": "nic0.a0", "adaptive": false}$' "$(cat lab.heard)"
    status 0 "$SUNDER" net lab policy nic0.a1 buckets --adaptive=on
    matches '{"aggregation": "nic0.a1", "policy": "buckets", "adaptive": true}' \
        "$(cat lab.heard)"
}

which_aggregation_is_asked() {
    machine "$(card 5 "$(aggregation nic0.a0),$(aggregation nic0.a1)")"
    status 2 "$SUNDER" net lab policy l4
    matches 'which aggregation? There are nic0.a0, nic0.a1' "$said"
    answers "$(card 5 '')"
    status 2 "$SUNDER" net lab policy l4
    matches 'no card of lab has an aggregation' "$said"
    absent 'set-policy' "$(cat lab.heard)"
}

wrong_words_are_refused() {
    status 2 "$SUNDER" net
    status 2 "$SUNDER" net lab policy l7
    matches 'policy "l7": expected one of l2, l3, ' "$said"
    status 2 "$SUNDER" net lab policy
    status 2 "$SUNDER" net lab policy l2 l3
    status 2 "$SUNDER" net lab polict l2
    status 2 "$SUNDER" net lab policy l2 --adaptive maybe
    status 2 "$SUNDER" net lab --adaptive on
    status 2 "$SUNDER" net lab policy l2 --watch
}

a_refusal_is_told() {
    machine "$ONE" '{"error": "nic0.a0: there is no such aggregation"}'
    status 1 "$SUNDER" net lab policy l2
    matches 'there is no such aggregation' "$said"
}

watch_tells_frames_per_second() {
    local i watcher
    machine "$ONE"
    "$SUNDER" net lab --watch 50ms >out 2>err </dev/null &
    watcher=$!
    for i in $(seq 600); do
        [ "$(grep -c '^nic0:' out || true)" -lt 2 ] || break
        sleep 0.05
    done
    answers "$(card 9000 "$(aggregation nic0.a0)")"
    for i in $(seq 600); do
        ! grep -q '^  nic0.p0 .* 9000  *[1-9][0-9]*  *77  *0  wire0' out || break
        sleep 0.05
    done
    kill -INT "$watcher"
    wait "$watcher"
    equal '' "$(cat err)"
    matches '^  nic0.p0 .* 9000  *[1-9][0-9]*  *77  *0  wire0$' "$(cat out)"
    matches '^  In the last [0-9.]* s frames came in chains of$' "$(cat out)"
    matches '^  nic0.p0  *0  *-  *-  *[.]  *[.]' "$(cat out)"
}

check 'the card, its ports and functions are shown' the_card_is_shown
check 'the aggregation and its LACP are shown' \
    the_aggregation_and_its_lacp_are_shown
check 'a line has no more than 80 columns' a_line_has_eighty_columns
check 'the histogram of chains is shown' the_histogram_is_shown
check '--json is what the machine said' json_is_what_the_machine_said
check 'without a card it says so' without_a_card_it_says_so
check 'hostile names do not reach the terminal' \
    hostile_names_do_not_reach_the_terminal
check 'answers of another form do no harm' answers_of_another_form_do_no_harm
check 'the only aggregation needs no name' the_only_aggregation_needs_no_name
check 'which aggregation is asked' which_aggregation_is_asked
check 'wrong words are refused' wrong_words_are_refused
check 'a refusal is told' a_refusal_is_told
check '--watch tells frames per second' watch_tells_frames_per_second
finish
