#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sunder share: what machines are offered, in a store that the stock tools of
# XenStore read (tools/store; the layout is target-models/store/layout.h).
. "$(dirname "$0")/sunder.sh"

XDG_STATE_HOME=$XDG_RUNTIME_DIR/state
export XDG_STATE_HOME
trap 'sunder share store --stop >/dev/null 2>&1; leave' EXIT

shares() {
    sunder share list "$@" | awk 'NR > 1 { print $1, $2, $3, $4, $6 }'
}

# Each test begins with an empty store.
begin() {
    sunder share store --stop >/dev/null 2>&1 || true
    rm -rf "$XDG_STATE_HOME"
    mkdir folder
    printf 'text\n' >file
}

what_is_offered_is_listed() {
    begin
    sunder share add lab "$PWD/folder" data --rw
    sunder share add lab,other "$PWD/file"
    equal "lab data directory rw $PWD/folder
lab file file ro $PWD/file
other file file ro $PWD/file" "$(shares)"
    equal "other file file ro $PWD/file" "$(shares other)"
}

one_that_is_removed_is_gone() {
    begin
    sunder share add lab "$PWD/folder" data
    sunder share remove lab data
    equal '' "$(shares)"
    status 2 sunder share remove lab data
    matches 'no share "data" is offered to it' "$said"
}

options_are_shown() {
    begin
    sunder share add lab "$PWD/folder" data --quota-bytes 1M \
        --hide '*.key' --uid-map 0:1000:1
    sunder share show lab data >shown
    matches '^quota-bytes  1048576$' "$(cat shown)"
    matches '^hide         \*\.key$' "$(cat shown)"
    matches '^uid-map      0:1000:1$' "$(cat shown)"
    equal True "$(sunder share show lab data --json | python3 -I -c 'import json
import sys
print(json.load(sys.stdin)["quota-bytes"] == "1048576")')"
}

nonsense_is_refused() {
    begin
    status 2 sunder share add lab "$PWD/nothing"
    matches 'No such file' "$said"
    status 2 sunder share add a/b "$PWD/folder" data
    matches 'name "a/b"' "$said"
    status 2 sunder share add lab "$PWD/folder" data --cache=often
    status 2 sunder share add lab "$PWD/folder" data --uid-map=0:0
    status 2 sunder share add lab "$PWD/folder" data --quota-bytes=many
    sunder share add lab "$PWD/folder" data
    status 2 sunder share add lab "$PWD/file" data
    matches 'offered to it already' "$said"
    equal "lab data directory ro $PWD/folder" "$(shares)"
}

it_keeps_what_it_has_and_comes_again() {
    begin
    sunder share add lab "$PWD/folder" data
    sunder share store --stop
    equal "lab data directory ro $PWD/folder" "$(shares)"
}

killed_it_keeps_what_it_has() {
    local i
    begin
    for i in $(seq 20); do
        sunder share add lab "$PWD/folder" "data$i"
    done
    pkill -KILL -f "sunder-store .*$XDG_RUNTIME_DIR"
    equal 20 "$(shares | wc -l)"
}

stock_tools_read_it() {
    begin
    sunder share add lab "$PWD/folder" data
    XENSTORED_PATH=$(sunder share store)
    export XENSTORED_PATH
    equal data "$(xenstore-read /local/domain/1/device/share/0/tag)"
    equal lab "$(xenstore-read /local/domain/1/name)"
    absent "$PWD" "$(xenstore-ls -f /local/domain/1)"
}

check 'what is offered is listed' what_is_offered_is_listed
check 'one that is removed is gone' one_that_is_removed_is_gone
check 'options are shown' options_are_shown
check 'nonsense is refused' nonsense_is_refused
check 'it keeps what it has and comes again' \
    it_keeps_what_it_has_and_comes_again
check 'killed it keeps what it has' killed_it_keeps_what_it_has
check 'the stock tools of XenStore read it' stock_tools_read_it
finish
