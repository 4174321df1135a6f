#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The overlay's table is applied exactly, again at will, or not at all.
. "$(dirname "$0")/tap.sh"
. "$REPO/scripts/lib/common.sh"
. "$REPO/scripts/lib/overlay.sh"

# A tree of two files.
make_tree() {
    mkdir -p tree/qapi tree/hw
    printf 'one\ntwo\nthree\n' >tree/meson.build
    printf '  a\nb\n  a\nc\n' >tree/hw/Kconfig
}

apply() {
    (overlay_apply tree table)
}

insert_before_after_replace() {
    make_tree
    printf '%s\n' 'file|meson.build' 'after|one' 'with|1a' 'with|1b' \
        'before|two' 'with|2-' 'replace|three' 'with|3' >table
    apply
    equal "$(printf 'one\n1a\n1b\n2-\ntwo\n3')" "$(cat tree/meson.build)"
}

anchor_of_two_lines() {
    make_tree
    printf '%s\n' 'file|hw/Kconfig' 'after|b' 'after|  a' 'with|new' >table
    apply
    equal "$(printf '  a\nb\n  a\nnew\nc')" "$(cat tree/hw/Kconfig)"
}

twice_is_once() {
    make_tree
    printf '%s\n' 'file|meson.build' 'after|one' 'with|new' >table
    apply
    touch -d '2001-01-01' tree/meson.build
    apply
    equal "$(printf 'one\nnew\ntwo\nthree')" "$(cat tree/meson.build)"
    equal 2001 "$(date -r tree/meson.build +%Y)"
}

dropped_edit_is_undone() {
    make_tree
    printf '%s\n' 'file|hw/Kconfig' 'after|b' 'with|new' >table
    apply
    printf '%s\n' 'file|meson.build' 'after|one' 'with|new' >table
    apply
    equal "$(printf '  a\nb\n  a\nc')" "$(cat tree/hw/Kconfig)"
    equal "$(printf 'one\nnew\ntwo\nthree')" "$(cat tree/meson.build)"
}

missing_anchor_changes_nothing() {
    make_tree
    printf '%s\n' 'file|hw/Kconfig' 'after|b' 'with|new' \
        'file|meson.build' 'after|ones' 'with|new' >table
    fails apply
    matches 'meson.build: anchor "ones" found 0 times, expected 1' "$said"
    equal 1 "$(printf '%s\n' "$said" | wc -l)"
    equal "$(printf '  a\nb\n  a\nc')" "$(cat tree/hw/Kconfig)"
}

double_anchor_is_refused() {
    make_tree
    printf '%s\n' 'file|hw/Kconfig' 'after|  a' 'with|new' >table
    fails apply
    matches 'hw/Kconfig: anchor "  a" found 2 times, expected 1' "$said"
}

blanks_count() {
    make_tree
    printf '%s\n' 'file|hw/Kconfig' 'after|a' 'with|new' >table
    fails apply
    matches 'found 0 times' "$said"
}

missing_file_is_named() {
    make_tree
    printf '%s\n' 'file|hw/nothing.c' 'after|a' 'with|new' >table
    fails apply
    matches 'hw/nothing.c: no such file' "$said"
}

unknown_word_is_named() {
    make_tree
    printf '%s\n' 'file|hw/Kconfig' 'behind|b' 'with|new' >table
    fails apply
    matches 'behind|' "$said"
}

check 'lines go in before, after and instead of anchors' \
    insert_before_after_replace
check 'an anchor may have two lines' anchor_of_two_lines
check 'applying twice equals once and touches nothing' twice_is_once
check 'an edit dropped from the table is undone' dropped_edit_is_undone
check 'a missing anchor stops it before any change' \
    missing_anchor_changes_nothing
check 'an anchor found twice is refused' double_anchor_is_refused
check 'blanks in an anchor count' blanks_count
check 'a missing file is named' missing_file_is_named
check 'an unknown word in the table is named' unknown_word_is_named
finish
