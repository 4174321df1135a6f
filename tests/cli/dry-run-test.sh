#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What becomes of options: QEMU's command line, which --dry-run prints.  No
# guest is needed: a tiny ELF file with a PVH note plays the kernel.
. "$(dirname "$0")/sunder.sh"

XDG_CACHE_HOME=$XDG_RUNTIME_DIR/cache
SUNDER_QEMU=/bin/true
export XDG_CACHE_HOME SUNDER_QEMU

# N bytes, least significant first, of VALUE
bytes() {
    local i value=$2
    for ((i = 0; i < $1; i++)); do
        # shellcheck disable=SC2059
        printf "\\x$(printf '%02x' $((value & 255)))"
        value=$((value >> 8))
    done
}

# An ELF file: header, one PT_NOTE segment, the note (elf(5)).
make_kernel() {
    printf '\x7fELF\x02\x01\x01'
    bytes 9 0
    bytes 2 2; bytes 2 62; bytes 4 1; bytes 8 0; bytes 8 64; bytes 8 0
    bytes 4 0; bytes 2 64; bytes 2 56; bytes 2 1; bytes 6 0
    bytes 4 4; bytes 4 4; bytes 8 120; bytes 16 0; bytes 8 20; bytes 8 20
    bytes 8 4
    bytes 4 4; bytes 4 4; bytes 4 18; printf 'Xen\0'; bytes 4 4096
}

# dry OPTION...: the command line, in $line, of faultlab or of $machine
dry() {
    make_kernel >kernel
    printf '070701' >initrd
    line=$(sunder run "${machine:-faultlab}" --dry-run --kernel kernel \
        --initrd initrd "$@")
}

same_twice() {
    local first
    dry
    first=$line
    dry
    equal "$first" "$line"
}

machine_file_is_read_by_qemu() {
    dry
    matches "^/bin/true -name faultlab " "$line"
    matches " -readconfig $REPO/machines/faultlab.cfg " "$line"
    matches " -no-reboot " "$line"
}

options_reach_qemu() {
    dry --memory 512M --cpus 3 --append 'quiet loglevel=3' --name other
    matches ' -m 512M ' "$line"
    matches ' -smp 3 ' "$line"
    matches "'console=ttyS0 panic=-1 quiet loglevel=3'" "$line"
    matches ' -name other ' "$line"
    matches '/sunder/other/qmp.sock' "$line"
}

tcg_has_many_threads() {
    dry --accel tcg
    matches ' -accel tcg,thread=multi ' "$line"
    absent '-icount' "$line"
}

icount_and_seed() {
    dry --icount --seed 42
    matches ' -accel tcg,thread=single ' "$line"
    matches ' -icount shift=1,sleep=off ' "$line"
    matches ' -seed 42 ' "$line"
    matches ' sunder-fault,seed=42 ' "$line"
}

qemu_arguments_come_last() {
    dry -- -device 'edu,id=a b'
    matches " -device 'edu,id=a b'$" "$line"
}

disk_directive_makes_a_node() {
    dry
    matches 'node-name=disk0-media,.*filename=.*/disk0-media.disk ' "$line"
}

# Files in folder $1 can be read past the page cache.
has_direct_io() {
    dd if=/dev/zero of="$1/direct" bs=4096 count=1 oflag=direct 2>dd.log
}

direct_disk_is_direct_where_that_can_be() {
    printf '# A.\n# sunder: disk a 1G direct\n# sunder: disk b 1G\n' >d.cfg
    machine=./d.cfg dry
    absent '/b.disk,cache' "$line"
    if has_direct_io "$XDG_RUNTIME_DIR"; then
        matches '/a.disk,cache.direct=on,file.cache.direct=on ' "$line"
    else
        matches '/a.disk ' "$line"
    fi
}

nothing_is_made() {
    dry
    [ ! -e "$XDG_RUNTIME_DIR/sunder/faultlab" ]
}

commas_in_folders_are_escaped() {
    mkdir -m 0700 "$XDG_RUNTIME_DIR/a,b"
    XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR/a,b dry
    matches 'path=[^,]*a,,b/sunder/faultlab/qmp.sock,' "$line"
}

long_folders_are_refused() {
    local long
    long=$XDG_RUNTIME_DIR/$(printf '%080d' 0)
    mkdir -m 0700 "$long"
    make_kernel >kernel
    printf '070701' >initrd
    XDG_RUNTIME_DIR=$long status 2 "$SUNDER" run faultlab --dry-run \
        --kernel kernel --initrd initrd
    matches 'too long for the Unix sockets' "$said"
}

kernel_that_is_none_is_refused() {
    printf 'hello' >kernel
    status 2 "$SUNDER" run faultlab --dry-run --kernel ./kernel
    matches 'neither an ELF file nor a bzImage' "$said"
    status 2 "$SUNDER" run faultlab --dry-run --kernel ./nosuch
    matches 'nosuch: cannot be read' "$said"
}

kernel_without_note_is_refused() {
    make_kernel | head -c 120 >kernel
    status 2 "$SUNDER" run faultlab --dry-run --kernel ./kernel
    matches 'without a PVH entry' "$said"
}

missing_guest_is_skipped() {
    status 77 "$SUNDER" run faultlab --dry-run
    matches 'scripts/guest --kernel 6.1' "$said"
    status 77 "$SUNDER" run faultlab --dry-run --kernel 6.12
    matches 'scripts/guest --kernel 6.12' "$said"
}

missing_emulator_is_skipped() {
    SUNDER_QEMU=/nonexistent/qemu status 77 "$SUNDER" run faultlab --dry-run
    matches '/nonexistent/qemu has not been built' "$said"
}

# A host may well have KVM; then there is nothing to see here.
unusable_kvm_is_skipped() {
    if grep -Eq '^flags.* (vmx|svm)( |$)' /proc/cpuinfo; then
        return
    fi
    make_kernel >kernel
    status 77 "$SUNDER" run faultlab --dry-run --kernel kernel --accel kvm
    matches 'KVM cannot be used here' "$said"
}

wrong_machine_file_is_told_with_its_line() {
    printf '# A machine.\n# sunder: disk d 5X\n' >bad.cfg
    status 2 "$SUNDER" run ./bad.cfg --dry-run
    matches 'bad.cfg:2: size "5X"' "$said"
    printf '# sunder: disc d 5G\n' >bad.cfg
    status 2 "$SUNDER" run ./bad.cfg --dry-run
    matches 'bad.cfg:1: directive "disc"' "$said"
}

check 'the same options give the same line' same_twice
check 'QEMU reads the machine file itself' machine_file_is_read_by_qemu
check 'options reach QEMU' options_reach_qemu
check 'TCG runs multi-threaded' tcg_has_many_threads
check '--icount and --seed make a run repeatable' icount_and_seed
check 'arguments for QEMU come last' qemu_arguments_come_last
check 'a disk directive makes a block node' disk_directive_makes_a_node
check 'a disk is direct where its file system can' \
    direct_disk_is_direct_where_that_can_be
check 'a dry run makes nothing' nothing_is_made
check 'commas in folders are escaped' commas_in_folders_are_escaped
check 'a state folder too long for sockets is refused' \
    long_folders_are_refused
check 'a file that is no kernel is refused' kernel_that_is_none_is_refused
check 'an ELF file without PVH note is refused' \
    kernel_without_note_is_refused
check 'a guest not made yet is a skip with a hint' missing_guest_is_skipped
check 'an emulator not built yet is a skip' missing_emulator_is_skipped
check 'KVM that cannot be used is a skip' unusable_kvm_is_skipped
check 'a wrong machine file is told with its line' \
    wrong_machine_file_is_told_with_its_line
finish
