#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Help and wrong usage: what it prints and how it ends.
. "$(dirname "$0")/sunder.sh"

every_verb_has_help() {
    local verb
    for verb in run list status console log exec stop qmp rac iommu net \
        balloon scenario completion version 'fault add' 'fault list' 'fault remove' \
        'fault points' 'snap save' 'snap restore' 'snap list' \
        'snap remove' fault snap; do
        # shellcheck disable=SC2086
        status 0 "$SUNDER" $verb --help
        matches '^Usage:' "$said"
    done
}

help_lists_every_verb() {
    local verb
    status 0 "$SUNDER" --help
    for verb in run list status console log exec stop qmp fault rac \
        iommu net balloon snap scenario completion version; do
        matches "^  $verb " "$said"
    done
}

no_verb_is_wrong_usage() {
    status 2 "$SUNDER"
    status 2 "$SUNDER" frobnicate
    matches 'frobnicate: no such verb' "$said"
    status 2 "$SUNDER" fault
    status 2 "$SUNDER" fault frobnicate
    matches 'no such subcommand' "$said"
}

missing_arguments_are_wrong_usage() {
    local verb
    for verb in run status console log exec stop qmp rac iommu net balloon \
        'fault add' 'fault list' 'fault remove' 'fault points' 'snap save' \
        'snap restore' 'snap remove' completion; do
        # shellcheck disable=SC2086
        status 2 "$SUNDER" $verb
    done
}

unknown_options_are_wrong_usage() {
    local verb
    for verb in run list status console log exec stop qmp rac iommu net \
        balloon 'fault add' \
        'snap list'; do
        # shellcheck disable=SC2086
        status 2 "$SUNDER" $verb --frobnicate
        matches 'frobnicate' "$said"
    done
}

options_of_a_balloon_go_with_their_word() {
    status 2 "$SUNDER" balloon lab --limit 1M
    matches '"sweep"' "$said"
    status 2 "$SUNDER" balloon lab sweep --watch
    matches 'watch is for showing' "$said"
    status 2 "$SUNDER" balloon lab set
    status 2 "$SUNDER" balloon lab set 1parsec
    matches 'size "1parsec"' "$said"
    status 2 "$SUNDER" balloon lab sweep --limit 0
    matches 'limit: size "0"' "$said"
    status 2 "$SUNDER" balloon lab --watch=5parsecs
    matches '5parsecs' "$said"
}

unknown_machine_lists_machines() {
    status 2 "$SUNDER" run nosuch --exec true
    matches 'nosuch: no such machine' "$said"
    matches 'faultlab' "$said"
}

unknown_name_is_told() {
    status 2 "$SUNDER" exec nosuch true
    matches 'nosuch: no such machine is running' "$said"
    status 2 "$SUNDER" stop nosuch
    status 2 "$SUNDER" status nosuch
}

unknown_snapshot_is_told() {
    status 2 "$SUNDER" run --restore nosuch --exec true
    matches 'nosuch: no such snapshot' "$said"
    status 2 "$SUNDER" snap remove nosuch
}

bad_values_are_told() {
    status 2 "$SUNDER" run faultlab --timeout 5parsecs --exec true
    matches '5parsecs' "$said"
    status 2 "$SUNDER" run faultlab --seed -1 --exec true
    matches 'number "-1"' "$said"
    status 2 "$SUNDER" run faultlab --memory lots --exec true
    matches 'size "lots"' "$said"
    status 2 "$SUNDER" run faultlab --accel warp --exec true
    matches 'warp' "$said"
    status 2 "$SUNDER" run faultlab --name ../etc --exec true
    matches 'name "../etc"' "$said"
    status 2 "$SUNDER" run faultlab --detach --exec true
}

machines_are_listed_with_their_purpose() {
    status 0 "$SUNDER" list --machines
    matches '^faultlab  *A PC' "$said"
    status 0 "$SUNDER" list --machines --json
    matches '"name" : "faultlab"' "$said"
}

nothing_runs() {
    status 0 "$SUNDER" list
    equal '' "$said"
    status 0 "$SUNDER" list --json
    equal '[]' "$said"
}

state_of_another_is_refused() {
    mkdir -p "$XDG_RUNTIME_DIR/sunder"
    chmod 0755 "$XDG_RUNTIME_DIR/sunder"
    status 125 "$SUNDER" list
    matches 'mode 0700' "$said"
    chmod 0700 "$XDG_RUNTIME_DIR/sunder"
}

completion_is_bash() {
    status 0 "$SUNDER" completion bash
    printf '%s\n' "$said" | bash -n
    status 2 "$SUNDER" completion tcsh
}

# What bash would offer for the words given, the last one unfinished.
offered() {
    COMP_WORDS=("$SUNDER" "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _sunder
    printf '%s\n' "${COMPREPLY[@]}"
}

iommu_options_go_with_their_word() {
    status 2 "$SUNDER" iommu lab --bounce on
    matches '"mode MODE"' "$said"
    status 2 "$SUNDER" iommu lab mode
    status 2 "$SUNDER" iommu lab mode sideways
    matches 'stock, report, enforce or coherent' "$said"
    status 2 "$SUNDER" iommu lab mode report --bounce maybe
    matches 'expected on or off' "$said"
    status 2 "$SUNDER" iommu lab mode report --watch
    status 2 "$SUNDER" iommu lab --watch=1ms
    matches 'expected 10ms to 24h' "$said"
    status 2 "$SUNDER" iommu lab --watch=5parsecs
}

completion_knows_verbs_and_machines() {
    eval "$("$SUNDER" completion bash)"
    equal 'scenario' "$(offered sc)"
    equal 'faultlab' "$(offered run faultla)"
    equal '--restore' "$(offered run --res)"
    equal 'points' "$(offered fault po)"
    equal 'coherent' "$(offered iommu lab mode co)"
    equal 'on' "$(offered iommu lab mode report --bounce on)"
    equal 'sweep' "$(offered balloon lab sw)"
    equal 'super-pages' "$(offered balloon lab sweep --mode su)"
}

full_disk_is_told() {
    local got=0
    "$SUNDER" list --machines >/dev/full 2>err || got=$?
    equal 125 "$got"
    matches 'standard output: No space left' "$(cat err)"
}

closed_descriptors_do_no_harm() {
    equal "$("$SUNDER" list --machines)" \
        "$("$SUNDER" list --machines <&- 2>&-)"
}

check 'every verb has --help' every_verb_has_help
check '--help lists every verb' help_lists_every_verb
check 'no verb, or an unknown one, is wrong usage' no_verb_is_wrong_usage
check 'missing arguments are wrong usage' missing_arguments_are_wrong_usage
check 'unknown options are wrong usage' unknown_options_are_wrong_usage
check 'options of a balloon go with their word' \
    options_of_a_balloon_go_with_their_word
check 'an unknown machine lists those there are' \
    unknown_machine_lists_machines
check 'a name that does not run is told' unknown_name_is_told
check 'an unknown snapshot is told' unknown_snapshot_is_told
check 'values that make no sense are told' bad_values_are_told
check 'machines are listed with their purpose' \
    machines_are_listed_with_their_purpose
check 'options of the IOMMU go with their word' \
    iommu_options_go_with_their_word
check 'nothing runs at first' nothing_runs
check 'a state folder open to others is refused' state_of_another_is_refused
check 'output that cannot be written is told' full_disk_is_told
check 'closed descriptors do no harm' closed_descriptors_do_no_harm
check 'the completion is a bash script' completion_is_bash
check 'the completion knows verbs and machines' \
    completion_knows_verbs_and_machines
finish
