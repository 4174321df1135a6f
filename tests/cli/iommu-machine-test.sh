#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sunder iommu, with a machine that has one and with one that has none.
. "$(dirname "$0")/sunder.sh"
need_guest

"$SUNDER" run iommulab --name with --detach >/dev/null &&
    "$SUNDER" run faultlab --name without --detach >/dev/null || {
    printf 'Bail out! the machines cannot be started\n'
    exit 1
}

the_iommu_is_shown() {
    status 0 "$SUNDER" iommu with
    matches '^iommu0: mode report, bounce off, ' "$said"
    status 0 "$SUNDER" iommu with --json
    matches '"mode" : "report"' "$said"
}

every_mode_can_be_set() {
    local mode
    for mode in stock enforce coherent report; do
        status 0 "$SUNDER" iommu with mode "$mode" --bounce on
        status 0 "$SUNDER" iommu with
        matches "^iommu0: mode $mode, bounce on, " "$said"
    done
    status 0 "$SUNDER" iommu with mode report --bounce off
    status 0 "$SUNDER" iommu with
    matches '^iommu0: mode report, bounce off, ' "$said"
}

without_one_it_is_refused() {
    status 1 "$SUNDER" iommu without
    matches 'sunder-iommu' "$said"
    status 1 "$SUNDER" iommu without mode enforce
    status 1 "$SUNDER" iommu without --watch
}

check 'the IOMMU of a machine is shown' the_iommu_is_shown
check 'every mode can be set' every_mode_can_be_set
check 'a machine without one refuses' without_one_it_is_refused
finish
