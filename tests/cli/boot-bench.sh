#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How long until a guest answers: booted, and restored.  ROUNDS (3) of each;
# the best counts, since whatever else the host does only adds.
. "$(dirname "$0")/sunder.sh"
need_booted
rounds=${ROUNDS:-3}

# best COMMAND...: the least "answered-ms" of the runs
best() {
    local i
    for ((i = 0; i < rounds; i++)); do
        "$@" --json --exec true </dev/null |
            sed -n 's/.*"answered-ms" : \([0-9]*\).*/\1/p'
    done | sort -n | head -n 1
}

boot=$(best "$SUNDER" run faultlab)
restore=$(best restored quick)
printf 'boot to answer      %6d ms\n' "$boot"
printf 'restore to answer   %6d ms\n' "$restore"
printf 'ratio               %6d\n' $((boot / restore))
