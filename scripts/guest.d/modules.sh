# SPDX-License-Identifier: GPL-2.0-or-later
# Our own kernel modules, built against Debian's headers of the guest's
# kernel; nothing is installed on the host.
# Sourced by scripts/guest after lib/common.sh.

# The devices' headers that modules share with the emulator.
module_headers() {
    echo hw/misc/dma-tester.h
}

# header_packages MANIFEST: files of the kernel's header packages.
header_packages() {
    awk '$1 ~ /^linux-(headers|kbuild)-/ { print $4 }' "$1"
}

# unpack_headers STORE MANIFEST FOLDER: the build folder of the kernel on
# stdout.  Debian's Makefile there names the common headers by the place that
# they have once installed.
unpack_headers() {
    local store=$1 manifest=$2 folder=$3 file build common
    mkdir -p "$folder"
    for file in $(header_packages "$manifest"); do
        dpkg-deb --fsys-tarfile "$store/$file" |
            tar -C "$folder" -xf - --no-same-owner || return 1
    done
    build=$(echo "$folder"/usr/src/linux-headers-*-amd64)
    common=$(echo "$folder"/usr/src/linux-headers-*-common)
    [ -e "$build/Module.symvers" ] && [ -e "$common/Makefile" ] || return 1
    rm "$build/Makefile"
    printf 'include %s/Makefile\n' "$common" >"$build/Makefile"
    printf '%s\n' "$build"
}

# kbuild BUILD SOURCE INCLUDE: build the modules of SOURCE where they stand.
# The host's own compiler will do: Debian 13's is newer than the one that
# built these kernels and knows all the options that they want.  BTF would
# need pahole.
kbuild() {
    env -u MAKEFLAGS -u MAKELEVEL make -s -C "$1" M="$2" CC=gcc HOSTCC=gcc \
        KCPPFLAGS="-I$3" CONFIG_DEBUG_INFO_BTF_MODULES= modules
}

# build_modules STORE MANIFEST MODULES: each folder with a Kbuild in
# tools/guest becomes modules in the folder "extra" of MODULES.  They are built
# in a temporary folder: Linux' Makefiles want no blanks in its name.
build_modules() (
    store=$1 manifest=$2 modules=$3
    work=$(mktemp -d) || exit 1
    trap 'rm -rf "$work"' EXIT
    build=$(unpack_headers "$store" "$manifest" "$work/headers") &&
        mkdir -p "$modules/extra" || exit 1
    for header in $(module_headers); do
        mkdir -p "$work/include/${header%/*}"
        cp "$REPO/$header" "$work/include/$header"
    done
    for source in "$REPO"/tools/guest/*/Kbuild; do
        name=$(basename "${source%/Kbuild}")
        cp -R "${source%/Kbuild}" "$work/$name"
        kbuild "$build" "$work/$name" "$work/include" || exit 1
        strip --strip-debug "$work/$name"/*.ko
        cp "$work/$name"/*.ko "$modules/extra/"
    done
)
