#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Labs without a guest: which machines they are, how these are wired, and how
# machines of a lab are named by the verbs.  A script plays the emulator.
. "$(dirname "$0")/sunder.sh"

XDG_CACHE_HOME=$XDG_RUNTIME_DIR/cache
SUNDER_QEMU=/bin/true
export XDG_CACHE_HOME SUNDER_QEMU

# machine FILE WIRE...
machine() {
    local file=$1 wire
    shift
    {
        printf '# One of a lab\n'
        for wire; do
            printf '# sunder: wire %s\n' "$wire"
        done
        printf '[machine]\n  type = "q35"\n'
    } >"$file"
}

# lab FILE "ROLE MACHINE"...
lab() {
    local file=$1 line
    shift
    printf '# A lab for tests\n' >"$file"
    for line; do
        printf '# sunder: machine %s\n' "$line" >>"$file"
    done
}

pair() {
    machine one.cfg 'w0' 'w1 burst'
    machine two.cfg 'w1 burst' 'w0'
    lab pair.cfg 'a one' 'b ./two.cfg'
}

# A kernel: the least that Sunder takes for one (dry-run-test.sh).
make_kernel() {
    python3 -I - <<'END'
import struct
note = struct.pack('<III4sI', 4, 4, 18, b'Xen\0', 4096)
header = struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\x02\x01\x01', 2, 62, 1, 0,
                     64, 0, 0, 64, 56, 1, 0, 0, 0)
program = struct.pack('<IIQQQQQQ', 4, 4, 120, 0, 0, len(note), len(note), 4)
open('kernel', 'wb').write(header + program + note)
open('initrd', 'wb').write(b'070701')
END
}

# dry OPTION...: the command lines
dry() {
    make_kernel
    status 0 "$SUNDER" run --dry-run --kernel kernel --initrd initrd "$@"
    first=$(printf '%s\n' "$said" | sed -n 1p)
    second=$(printf '%s\n' "$said" | sed -n 2p)
}

a_lab_is_its_machines() {
    pair
    dry ./pair.cfg
    equal 2 "$(printf '%s\n' "$said" | wc -l)"
    matches ' -name pair-a ' "$first"
    matches " -readconfig $PWD/one.cfg " "$first"
    matches ' -name pair-b ' "$second"
    matches " -readconfig $PWD/two.cfg " "$second"
    dry ./pair.cfg --name x --memory 64M
    matches ' -name x-a .* -m 64M ' "$first"
    matches ' -name x-b .* -m 64M ' "$second"
}

wires_have_two_ends() {
    local s=$XDG_RUNTIME_DIR/sunder
    pair
    dry ./pair.cfg
    matches "dgram,id=w0,.*local.path=$s/pair-a/w0.wire,.*remote.path=$s/pair-b/w0" \
        "$first"
    matches "dgram,id=w1,local=unix:$s/pair-a/w1.wire,remote=unix:$s/pair-b/w1" \
        "$first"
    matches "dgram,id=w0,.*local.path=$s/pair-b/w0.wire,.*remote.path=$s/pair-a/w0" \
        "$second"
    matches 'object sunder-nic-dgram,id=w1,local=unix:' "$second"
}

alone_a_wire_leads_nowhere() {
    pair
    dry ./one.cfg
    equal 1 "$(printf '%s\n' "$said" | wc -l)"
    matches '/one/w0.wire,.*remote.path=.*/one/none/w0.wire ' "$first"
}

wrong_labs_are_refused() {
    pair
    machine two.cfg w0
    status 2 "$SUNDER" run ./pair.cfg --dry-run
    matches 'wire w1 of machine a: expected in two machines .*, is in 1' \
        "$said"
    lab pair.cfg 'a one' 'b one' 'c one'
    status 2 "$SUNDER" run ./pair.cfg --dry-run
    matches 'wire w0 of machine a: .*, is in 3' "$said"
    lab pair.cfg 'a one' 'b absent'
    status 2 "$SUNDER" run ./pair.cfg --dry-run
    matches 'machine b: absent: no such machine' "$said"
    lab pair.cfg 'a pair' 'b one'
    status 2 "$SUNDER" run ./pair.cfg --dry-run
    matches 'machine a: pair is a lab itself' "$said"
}

which_machine_is_asked() {
    pair
    make_kernel
    status 2 "$SUNDER" run ./pair.cfg --kernel kernel --initrd initrd \
        --on c --exec true
    matches 'on c: no such machine; there is a, b' "$said"
    status 2 "$SUNDER" run ./one.cfg --kernel kernel --initrd initrd \
        --on a --exec true
    matches 'it is no lab' "$said"
}

# member NAME: a machine of lab "pair" that answers
member() {
    printf '{"query-status": {"status": "running"}}' >answers
    FAKE_LAB=pair fake_machine "$1"
}

verbs_know_a_lab() {
    member pair-a
    member pair-b
    status 0 "$SUNDER" status pair
    matches '^name  *pair-a$' "$said"
    matches '^name  *pair-b$' "$said"
    status 0 "$SUNDER" status --json pair
    equal 'pair-a pair-b' "$(printf '%s' "$said" | python3 -c '
import json, sys
print(*[machine["name"] for machine in json.load(sys.stdin)])')"
    status 2 "$SUNDER" net pair
    matches 'pair: a lab: name one of its machines, pair-a, pair-b' "$said"
    status 2 "$SUNDER" net nobody
    matches 'no such machine is running; there are: pair-a, pair-b' "$said"
}

check 'a lab is its machines' a_lab_is_its_machines
check 'each wire leads to the machine that has it too' wires_have_two_ends
check 'alone, a wire leads nowhere' alone_a_wire_leads_nowhere
check 'labs that make no sense are refused' wrong_labs_are_refused
check '--on names a machine of a lab' which_machine_is_asked
check 'status and errors know the machines of a lab' verbs_know_a_lab
finish
