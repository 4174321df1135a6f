#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A source that cannot be used gives one line of error, and nothing that the
# next run would trust.
. "$(dirname "$0")/tap.sh"

emulator() {
    XDG_CACHE_HOME=$PWD/cache PATH=$PWD/bin:$PATH \
        "$REPO/scripts/emulator" --dir "$PWD/emulator" "$@"
}

# fake COMMAND: stand in for a command with the shell text on stdin.
fake() {
    mkdir -p bin
    { echo '#!/bin/sh'; cat; } >"bin/$1"
    chmod +x "bin/$1"
}

make_tree() {
    mkdir qemu
    echo "$1" >qemu/VERSION
    : >qemu/pythondeps.toml
}

one_line_of_error() {
    equal 1 "$(printf '%s\n' "$said" | grep -c 'error:')"
}

wrong_version() {
    make_tree 7.2.22
    fails emulator --source "$PWD/qemu" source
    matches 'QEMU 7.2.22, expected 10.0.x' "$said"
    one_line_of_error
    [ ! -e emulator/src ]
}

not_qemu() {
    mkdir qemu
    fails emulator --source "$PWD/qemu" source
    matches 'no VERSION file' "$said"
    [ ! -e emulator/src ]
}

no_such_source() {
    fails emulator --source "$PWD/nothing.tar.xz" source
    matches 'nothing.tar.xz: no such file' "$said"
}

cut_tarball() {
    make_tree 10.0.99
    head -c 100000 /dev/urandom >qemu/noise
    tar -czf whole.tar.gz qemu
    head -c 50000 whole.tar.gz >cut.tar.gz
    fails emulator --source "$PWD/cut.tar.gz" source
    matches 'cut.tar.gz: cannot be unpacked' "$said"
    [ ! -e emulator/src ] && [ ! -e emulator/src.new ]
}

half_unpacked_tree_is_not_trusted() {
    cut_tarball
    fails emulator --source "$PWD/whole.tar.gz" source
    matches 'overlay: .*expected 10.0.x' "$said"
    [ -e emulator/src/noise ]
}

no_network() {
    fake apt-get <<'END'
case $1 in indextargets) exec /usr/bin/apt-get "$@" ;; esac
echo 'Temporary failure resolving' >&2
exit 100
END
    fails emulator fetch
    matches 'is there a network' "$said"
    one_line_of_error
    equal '' "$(ls cache/sunder/qemu | grep -v log)"
}

no_space() {
    fake df <<'END'
printf 'Filesystem 1M-blocks Used Available\n/dev/x 9 9 7\n'
END
    make_tree 10.0.99
    fails emulator --source "$PWD/qemu" source
    matches '7 MiB free, the emulator needs' "$said"
    [ ! -e emulator/src ]
}

# A download whose checksum is not the one that its .dsc states.
spoil_cache() {
    mkdir -p cache/sunder/qemu
    echo whole >cache/sunder/qemu/qemu.tar
    {
        echo 'Checksums-Sha256:'
        (cd cache/sunder/qemu && sha256sum qemu.tar) |
            awk '{ print " " $1 " 6 " $2 }'
    } >cache/sunder/qemu/qemu_10.0.99.dsc
    emulator fetch
    echo spoilt >cache/sunder/qemu/qemu.tar
}

spoilt_download() {
    spoil_cache
    no_network_after_spoiling
}

no_network_after_spoiling() {
    fake apt-get <<'END'
case $1 in indextargets) exec /usr/bin/apt-get "$@" ;; esac
exit 100
END
    fails emulator fetch
    matches 'is there a network' "$said"
}

check 'a version outside the series is refused' wrong_version
check 'a tree that is not QEMU is refused' not_qemu
check 'a source that does not exist is named' no_such_source
check 'a tarball cut short is refused' cut_tarball
check 'what a failed unpacking left is not trusted' \
    half_unpacked_tree_is_not_trusted
check 'no network is one line of error' no_network
check 'too little space is one line of error' no_space
check 'a download with a wrong checksum is fetched again' spoilt_download
finish
