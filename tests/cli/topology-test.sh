#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The memory map changes while other virtual CPUs read registers: the
# overlay's edit of system/physmem.c, without which this ends the emulator.
. "$(dirname "$0")/sunder.sh"
need_booted

LABELS=2000

# label BOOLEAN: the command that labels a BAR of the network card, or not.  It
# has to be the one with the MSI-X table: a label makes its regions fewer, so
# that those of the disk, behind it, get other numbers.
label() {
    printf '{"execute": "sunder-rac-label", "arguments": {"resource": %s,' \
        '"rac0/nic0/bar3"'
    printf ' "labelled": %s}}\n' "$1"
}

# Read a register of the disk on virtual CPU $1 until the machine ends.
reader() {
    sunder exec race "taskset -c $1 mmio-bench --rounds 100000 \
        0000:02:00.0,0,0x1c" >"reader$1" 2>&1 </dev/null &
}

labels_while_every_cpu_reads() {
    local i
    restored race --detach
    # The kernel lets programs map only the registers that no driver claims.
    sunder exec race 'echo 0000:02:00.0 >/sys/bus/pci/drivers/nvme/unbind'
    reader 0
    reader 1
    sleep 1
    for ((i = 0; i < LABELS; i++)); do
        label true
        label false
    done >commands
    sunder qmp race <commands >answers
    equal $((2 * LABELS)) "$(wc -l <answers)"
    equal '' "$(grep error answers || true)"
    # Had a reader ended, nothing would have been tried.
    equal 2 "$(sunder exec race "pgrep -c mmio-bench" </dev/null)"
    sunder stop race --force
    wait
}

check 'labels come and go while every CPU reads another device' \
    labels_while_every_cpu_reads
finish
