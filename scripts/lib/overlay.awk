# SPDX-License-Identifier: GPL-2.0-or-later
# Apply to one file the edits that overlay.conf has for it.
#
#   awk -v target=hw/Kconfig -f overlay.awk overlay.conf FILE > NEW
#
# An edit is: one or more anchor lines (after|, before| or replace|), which
# together must be found exactly once in the file, then the lines to put in
# (with|).  See overlay.conf for what that looks like.

function fail(text) {
    print target ": " text > "/dev/stderr"
    failed = 1
    exit 1
}

# Positions at which the anchor's lines stand one after another.
function find(    at, k) {
    found = 0
    for (at = 1; at + anchors - 1 <= lines; at++) {
        for (k = 1; k <= anchors && line[at + k - 1] == anchor[k]; k++) {
        }
        if (k > anchors) {
            found++
            place = at
        }
    }
}

function apply(    k, from, to, kept, out) {
    if (!anchors) {
        return
    }
    if (!withs) {
        fail("\"" anchor[1] "\": the edit has no with| line")
    }
    find()
    if (found != 1) {
        fail("anchor \"" anchor[1] "\" found " found " times, expected 1:" \
             " is this QEMU 10.0.x?")
    }
    from = mode == "after" ? place + anchors : place
    to = mode == "replace" ? place + anchors : from
    kept = 0
    for (k = 1; k < from; k++) {
        out[++kept] = line[k]
    }
    for (k = 1; k <= withs; k++) {
        out[++kept] = with[k]
    }
    for (k = to; k <= lines; k++) {
        out[++kept] = line[k]
    }
    lines = kept
    for (k = 1; k <= lines; k++) {
        line[k] = out[k]
    }
    anchors = withs = 0
}

# The table comes first, the file second: keep the table until then.
FNR == NR {
    table[++rows] = $0
    next
}

{
    line[++lines] = $0
}

END {
    if (failed) {
        exit 1
    }
    for (row = 1; row <= rows; row++) {
        if (table[row] ~ /^#/ || table[row] == "") {
            continue
        }
        bar = index(table[row], "|")
        key = substr(table[row], 1, bar - 1)
        text = substr(table[row], bar + 1)
        if (key == "file") {
            apply()
            mine = text == target
        } else if (!mine) {
            continue
        } else if (key == "with") {
            if (!anchors) {
                fail("with| before any anchor in the overlay table")
            }
            with[++withs] = text
        } else if (key ~ /^(after|before|replace)$/) {
            if (withs || key != mode) {
                apply()
            }
            mode = key
            anchor[++anchors] = text
        } else {
            fail("\"" key "|\": not a word of the overlay table")
        }
    }
    apply()
    for (k = 1; k <= lines; k++) {
        print line[k]
    }
}
