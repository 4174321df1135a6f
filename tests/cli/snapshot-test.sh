#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Snapshots: they are whole, they belong to something, and they are quick.
. "$(dirname "$0")/sunder.sh"
need_booted

ram_and_disk_are_kept_together() {
    restored origin --detach
    sunder exec origin 'echo in-ram >/tmp/note;
        echo on-disk | dd of=/dev/nvme0n1 bs=512 conv=sync 2>/dev/null; sync'
    sunder snap save origin "$BOOTED-b"
    sunder exec origin 'echo later >/tmp/note;
        echo later | dd of=/dev/nvme0n1 bs=512 conv=sync 2>/dev/null; sync'
    sunder run --restore "$BOOTED-b" --name copy --detach
    equal in-ram "$(sunder exec copy 'cat /tmp/note')"
    equal on-disk "$(sunder exec copy 'head -n 1 /dev/nvme0n1')"
    equal later "$(sunder exec origin 'cat /tmp/note')"
    sunder stop --all --force
    sunder snap remove "$BOOTED-b"
}

saved_machine_goes_on() {
    restored origin --detach
    sunder snap save origin "$BOOTED-b"
    matches '"status" : "running"' "$(sunder qmp origin query-status)"
    status 0 "$SUNDER" exec origin true
    sunder snap save origin "$BOOTED-b" --stop
    equal '' "$(sunder list --running)"
    sunder snap remove "$BOOTED-b"
}

listed_and_removed() {
    matches "^$BOOTED  *faultlab " "$(sunder snap list)"
    matches "\"name\" : \"$BOOTED\"" "$(sunder snap list --json)"
    absent "^$BOOTED .*cannot" "$(sunder snap list)"
}

restore_keeps_names_apart() {
    sunder snap restore "$BOOTED" --name first
    sunder snap restore "$BOOTED" --name second
    equal 'first second' \
        "$(sunder list --running | awk '{print $1}' | xargs)"
    status 2 "$SUNDER" snap restore "$BOOTED" --name first
    sunder stop --all --force
}

another_emulator_is_refused() {
    local manifest
    manifest=$(dirname "$(sunder snap list --json |
        sed -n 's/.*"ramdisk" : "\(.*\)".*/\1/p' | head -n 1)")
    manifest=$manifest/../snapshots/$BOOTED/manifest.json
    cp "$manifest" saved
    sed -i 's/\("emulator-digest" : "\)..../\1ffff/' "$manifest"
    status 125 restored other --exec true
    matches 'made with another emulator' "$said"
    cp saved "$manifest"
    sed -i 's/\("image-digest" : "\)..../\1ffff/' "$manifest"
    status 125 restored other --exec true
    matches 'made with another kernel' "$said"
    cp saved "$manifest"
    status 0 restored other --exec true
}

options_come_from_the_snapshot() {
    status 2 restored other --memory 2G --exec true
    matches 'come from the snapshot' "$said"
    status 125 "$SUNDER" run othermachine --restore "$BOOTED" --exec true
    matches 'it is of machine faultlab' "$said"
}

disk_from_outside_is_refused() {
    truncate -s 1M outside.img
    sunder run faultlab --name outside --detach -- \
        -drive "if=none,id=o,format=raw,file=$PWD/outside.img" \
        -device virtio-blk-pci,drive=o
    status 125 "$SUNDER" snap save outside "$BOOTED-b"
    matches 'outside.img, which is not kept' "$said"
    matches '"status" : "running"' "$(sunder qmp outside query-status)"
    sunder stop --force outside
}

check 'RAM and disk are of the same instant' ram_and_disk_are_kept_together
check 'a saved machine goes on, or ends with --stop' saved_machine_goes_on
check 'snapshots are listed' listed_and_removed
check 'machines from one snapshot have names of their own' \
    restore_keeps_names_apart
check 'a snapshot of another build or kernel is refused' \
    another_emulator_is_refused
check "the machine's options come from the snapshot" \
    options_come_from_the_snapshot
check 'a disk from outside is refused' disk_from_outside_is_refused
finish
