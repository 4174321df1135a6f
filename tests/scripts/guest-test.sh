#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/guest without a network, and the kernel in a bzImage.
. "$(dirname "$0")/tap.sh"

guest() {
    XDG_CACHE_HOME=$PWD/cache PATH=$PWD/bin:$PATH "$REPO/scripts/guest" "$@"
}

extract() {
    "$REPO/scripts/guest.d/extract-vmlinux" "$@"
}

# fake COMMAND: stand in for a command with the shell text on stdin.
fake() {
    mkdir -p bin
    { echo '#!/bin/sh'; cat; } >"bin/$1"
    chmod +x "bin/$1"
}

one_line_of_error() {
    equal 1 "$(printf '%s\n' "$said" | grep -c 'error:')"
}

# put OFFSET BYTES...: write bytes, as printf knows them, into bzImage.
put() {
    printf "$2" | dd of=bzImage bs=1 seek="$1" conv=notrunc status=none
}

# make_bzimage PAYLOAD-FILE: one setup sector after the boot sector, the
# payload at once behind it, four bytes of size at its end.
make_bzimage() {
    local length=$(($(stat -c %s "$1") + 4))
    truncate -s 1024 bzImage
    cat "$1" >>bzImage
    printf '\0\0\0\0' >>bzImage
    put $((0x1f1)) '\001'
    put $((0x202)) 'HdrS'
    put $((0x206)) '\010\002'
    put $((0x24c)) "$(printf '\\%03o\\%03o' $((length & 255)) \
        $((length >> 8 & 255)))"
}

unknown_kernel() {
    fails guest --kernel 5.10
    matches 'kernel 5.10: no such kernel; expected 6.1, 6.12 or all' "$said"
    fails guest --kernel
    fails guest --colour
    matches 'unknown option' "$said"
    [ ! -e cache ]
}

no_network() {
    fake apt-get <<'END'
case $* in
indextargets*) echo 'http://mirror.invalid/debian/|bookworm|main|Debian|Debian'
    echo 'http://mirror.invalid/debian/|trixie|main|Debian|Debian' ;;
*) echo 'E: cannot resolve mirror.invalid' >&2; exit 100 ;;
esac
END
    fails guest
    matches 'is there a network' "$said"
    one_line_of_error
    [ ! -e cache/sunder/guests/6.1 ]
    equal '' "$(find cache -name '.work*')"
}

finished_guest_is_found() {
    local before
    mkdir -p cache/sunder/guests/6.1
    before=$(cd "$REPO" && find scripts/guest scripts/guest.d \
        tools/guest/*/ hw/misc/dma-tester.h -type f | LC_ALL=C sort |
        xargs sha256sum | sha256sum | cut -d' ' -f1)
    echo "$before" >cache/sunder/guests/6.1/recipe
    echo 'exit 1' | fake apt-get
    equal "$PWD/cache/sunder/guests/6.1" "$(guest --print)"
}

kernel_is_unpacked() {
    local pack
    printf '\177ELF and the rest of it' >kernel
    for pack in 'gzip -c' 'xz -c --check=crc32' 'bzip2 -c'; do
        $pack kernel >payload
        rm -f bzImage
        make_bzimage payload
        extract bzImage vmlinux
        cmp kernel vmlinux
    done
}

no_bzimage() {
    head -c 4096 /dev/zero >zero
    fails extract zero vmlinux
    matches 'not a bzImage' "$said"
    fails extract missing vmlinux
    matches 'cannot be read' "$said"
    [ ! -e vmlinux ]
}

unknown_payload() {
    printf 'something else' >payload
    make_bzimage payload
    fails extract bzImage vmlinux
    matches 'payload of an unknown kind' "$said"
}

payload_is_no_kernel() {
    printf 'plain text' | gzip -c >payload
    make_bzimage payload
    fails extract bzImage vmlinux
    matches 'payload is no ELF file' "$said"
    equal 'bzImage payload' "$(echo *)"
}

damaged_payload() {
    printf '\177ELF and the rest of it' | xz -c --check=crc32 >payload
    truncate -s -8 payload
    make_bzimage payload
    fails extract bzImage vmlinux
    matches 'payload cannot be unpacked' "$said"
    [ ! -e vmlinux ]
}

check 'an unknown kernel or option is refused' unknown_kernel
check 'no network: one line of error, nothing left behind' no_network
check 'a finished guest needs no network' finished_guest_is_found
check 'the kernel in a bzImage is unpacked' kernel_is_unpacked
check 'a file that is no bzImage is refused' no_bzimage
check 'a payload of an unknown kind is refused' unknown_payload
check 'a payload that is no kernel is refused' payload_is_no_kernel
check 'a damaged payload is refused' damaged_payload
finish
