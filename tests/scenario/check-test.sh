#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Scenario files that are wrong, and options that are: no guest is needed.
. "$(dirname "$0")/../cli/sunder.sh"

DIR=$XDG_RUNTIME_DIR

# scenario TEXT: writes it to $DIR/x.yaml
scenario() {
    printf '%b' "$1" >"$DIR/x.yaml"
}

# refused PATTERN TEXT: both verbs end with 2 and say what matches
refused() {
    scenario "$2"
    status 2 "$SUNDER" scenario check "$DIR/x.yaml"
    matches "$1" "$said"
    status 2 "$SUNDER" scenario run "$DIR/x.yaml"
    matches "$1" "$said"
}

HEAD='name: x\nmachine: faultlab\n'

shipped_scenarios_are_good() {
    status 0 "$SUNDER" scenario check "$REPO/scenarios"
    matches 'no mistake found' "$said"
}

mistakes_have_a_file_and_a_line() {
    refused 'x.yaml:3: unknown key' "${HEAD}stepz: []\n"
    refused 'x.yaml:4: steps\[1\].run: a list: expected a text' \
        "${HEAD}steps:\n  - run: [a]\n"
    refused 'x.yaml: empty' ''
    refused 'x.yaml:.* not YAML' 'a: [\n'
}

an_unknown_machine_is_a_mistake() {
    refused 'nosuch: no such machine' \
        'name: x\nmachine: nosuch\nsteps: [run: x]\n'
}

bombs_are_refused_quickly() {
    head -c 10000000 /dev/zero | tr '\0' '[' >"$DIR/x.yaml"
    status 2 timeout 10 "$SUNDER" scenario check "$DIR/x.yaml"
    matches 'more than 1048576 bytes' "$said"
    refused 'a YAML anchor' 'a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n'
    status 2 timeout 10 "$SUNDER" scenario check /dev/zero
}

mistakes_of_all_files_are_told() {
    scenario 'name: [\n'
    cp "$DIR/x.yaml" "$DIR/y.yaml"
    status 2 "$SUNDER" scenario check "$DIR/x.yaml" "$DIR/y.yaml" /no/such
    matches 'x.yaml:' "$said"
    matches 'y.yaml:' "$said"
    matches '/no/such' "$said"
}

options_are_checked() {
    scenario "${HEAD}steps: [run: x]\n"
    local wrong
    for wrong in --jobs=0 --repeat=0 --shard=3/2 --shard=x --seed=x \
        --timeout=5 --frobnicate '--tap --json' --durations=/no/such; do
        # shellcheck disable=SC2086
        status 2 "$SUNDER" scenario run $wrong "$DIR/x.yaml"
    done
    status 2 "$SUNDER" scenario run
    status 2 "$SUNDER" scenario
    status 2 "$SUNDER" scenario frobnicate
}

list_runs_nothing_and_shards_share_all() {
    status 0 "$SUNDER" scenario run --list "$REPO/scenarios"
    local all=$said parts
    parts=$(for k in 1 2 3; do
        sunder scenario run --list --shard "$k/3" "$REPO/scenarios"
    done | sort)
    [ "$(printf '%s\n' "$all" | sort)" = "$parts" ]
    scenario "${HEAD}steps: [run: x]\n"
    status 0 "$SUNDER" scenario run --list --json --repeat 2 "$DIR/x.yaml"
    matches '"round" : 2' "$said"
}

check 'the scenarios that ship are good' shipped_scenarios_are_good
check 'mistakes have a file and a line' mistakes_have_a_file_and_a_line
check 'an unknown machine is a mistake' an_unknown_machine_is_a_mistake
check 'bombs are refused quickly' bombs_are_refused_quickly
check 'mistakes of all files are told' mistakes_of_all_files_are_told
check 'options are checked' options_are_checked
check 'a list runs nothing, and shards share all' \
    list_runs_nothing_and_shards_share_all
finish
