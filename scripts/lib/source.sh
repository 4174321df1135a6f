# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU's source: fetch it from Debian, check it, unpack it.
# Sourced after common.sh and apt.sh.

QEMU_SERIES=10.0

# Print the files that a .dsc names, as sha256sum -c reads them.
dsc_checksums() {
    awk '/^Checksums-Sha256:/ { on = 1; next }
         /^[^ ]/ { on = 0 }
         on { print $1 "  " $3 }' "$1"
}

# A .dsc of our series in a folder all of whose files are there and sound.
find_dsc() {
    local dsc
    for dsc in "$1"/qemu_"$QEMU_SERIES".*.dsc; do
        [ -e "$dsc" ] || continue
        if dsc_checksums "$dsc" |
            (cd "$1" && sha256sum --strict --status -c -); then
            printf '%s\n' "$dsc"
            return 0
        fi
    done
    return 1
}

# Download into a folder of its own, which takes the cache's place only when
# everything in it is sound.
download_source() {
    local cache=$1 work log
    need_command apt-get
    mkdir -p "$cache" || die "$cache: cannot be made"
    need_space "$cache" 300 "QEMU's source"
    work=$(mktemp -d "$cache/.fetch.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    log=$cache/fetch.log
    note "fetching QEMU's source (40 MiB) into $cache"
    apt_private "$work/apt" 'deb-src MIRROR trixie main'
    apt_in "$work/apt" logged "$log" apt-get update -q ||
        die "the list of Debian's sources cannot be had: is there a network?" \
            "(log: $log)"
    mkdir "$work/new"
    (cd "$work/new" && apt_in "$work/apt" logged "$log" \
        apt-get source -q --download-only qemu/trixie) ||
        die "QEMU's source cannot be downloaded (log: $log)"
    find_dsc "$work/new" >/dev/null ||
        die "the archive has $(cd "$work/new" && echo *.dsc)," \
            "expected qemu $QEMU_SERIES.x with sound checksums; give a" \
            "tree of your own with -Dqemu_source="
    mv "$work/new"/* "$cache/"
    rm -rf "$work"
    trap - EXIT
}

# Print the path of a sound .dsc, downloaded if the cache has none.
fetch_source() {
    local cache
    cache=$(cache_dir)/qemu
    find_dsc "$cache" && return 0
    download_source "$cache" || return 1
    find_dsc "$cache"
}

# unpack_into SOURCE FOLDER: SOURCE is a .dsc, a tarball or a tree.
unpack_into() {
    local from=$1 to=$2
    case $from in
    *.dsc)
        need_command dpkg-source
        logged "$to.log" dpkg-source --no-check --no-copy -x "$from" "$to" ||
            die "$from: cannot be unpacked (log: $to.log)"
        ;;
    *.tar|*.tar.*|*.tgz)
        [ -f "$from" ] || die "$from: no such file"
        mkdir "$to"
        logged "$to.log" tar -C "$to" --strip-components=1 -xf "$from" ||
            die "$from: cannot be unpacked (log: $to.log)"
        ;;
    *)
        [ -d "$from" ] ||
            die "$from: neither a tree, a tarball (.tar.*) nor a .dsc"
        mkdir "$to"
        tar -C "$from" --exclude=./.git --exclude=./build -cf - . |
            tar -C "$to" -xf - || die "$from: cannot be copied"
        ;;
    esac
}

check_version() {
    local tree=$1 from=$2 version
    version=$(cat "$tree/VERSION" 2>/dev/null) ||
        die "$from: no VERSION file, so not QEMU's source"
    case $version in
    "$QEMU_SERIES".*) ;;
    *) die "$from: QEMU $version, expected $QEMU_SERIES.x" ;;
    esac
}

# Upstream's list asks for a Python module that only its functional tests
# use and that configure would fetch from the network; Debian drops it too.
drop_pycotap() {
    sed -i 's/^pycotap = /#&/' "$1/pythondeps.toml"
}

# What the unpacked tree was made from.
source_id() {
    case $1 in
    *.dsc|*.tar|*.tar.*|*.tgz) sha256sum "$1" | cut -d' ' -f1 ;;
    *) printf 'tree %s\n' "$(realpath "$1")" ;;
    esac
}

# prepare_source SOURCE TREE: unpack unless TREE already comes from SOURCE.
prepare_source() {
    local from=$1 tree=$2 work id
    [ -e "$from" ] || die "$from: no such file or folder"
    id=$(source_id "$from")
    [ "$(cat "$tree/.sunder/source" 2>/dev/null)" != "$id" ] || return 0
    need_space "${tree%/*}" 3000 'the emulator'
    work=$tree.new
    rm -rf "$work"
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    note "unpacking $from"
    unpack_into "$from" "$work"
    check_version "$work" "$from"
    drop_pycotap "$work"
    mkdir -p "$work/.sunder"
    printf '%s\n' "$id" >"$work/.sunder/source"
    rm -rf "$tree"
    mv "$work" "$tree"
    trap - EXIT
    rm -f "$work.log"
}
