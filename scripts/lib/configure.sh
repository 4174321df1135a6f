# SPDX-License-Identifier: GPL-2.0-or-later
# Configure and build the overlaid QEMU.  Sourced after common.sh.

# emulator_programs VARIANT: what ninja is to make.  The variants only serve
# our own tests.
emulator_programs() {
    printf '%s\n' qemu-system-x86_64 qemu-img sunder-qtests \
        sunder/tools/store/sunder-store
    case $1 in
    plain)
        printf '%s\n' qemu-io qemu-nbd tests/qtest/qos-test \
            storage-daemon/qemu-storage-daemon
        ;;
    esac
}

# configure_args VARIANT: one argument a line.  Debugging information would
# take a third of the time; our own files have it (hw/meson.build).
configure_args() {
    cat <<'END'
--target-list=x86_64-softmmu
--without-default-features
--enable-tcg
--enable-kvm
--enable-slirp
--enable-virtfs
--enable-attr
--enable-cap-ng
--enable-tools
--enable-fdt=system
--enable-vhost-user
--enable-vhost-kernel
--enable-vhost-net
--enable-fuse
--enable-linux-io-uring
--enable-linux-aio
--enable-plugins
--enable-seccomp
--enable-zstd
--disable-docs
--disable-debug-info
--disable-install-blobs
--enable-trace-backends=log
--python=/usr/bin/python3
END
    case $1 in
    asan) printf '%s\n' --enable-asan --enable-ubsan -Doptimization=1 ;;
    gcov) printf '%s\n' --enable-gcov ;;
    esac
    if command -v ccache >/dev/null; then
        printf '%s\n' '--cc=ccache cc' '--host-cc=ccache cc'
    else
        printf '%s\n' --cc=cc
    fi
}

# ccache finds the same objects whatever folder the clone lives in.  Its
# depend mode saves a run of the preprocessor for each file compiled anew.
ccache_settings() {
    export CCACHE_BASEDIR=$1 CCACHE_NOHASHDIR=1
    export CCACHE_DEPEND=1 CCACHE_SLOPPINESS=time_macros
}

# Debian's QEMU source holds no firmware: link the packages' files to where
# QEMU looks for them in a build tree.
link_firmware() {
    local share=$1/qemu-bundle/usr/local/share/qemu file
    mkdir -p "$share"
    for file in /usr/share/seabios/*.bin /usr/lib/ipxe/qemu/*.rom \
            /usr/share/qemu/*.bin /usr/share/qemu/*.rom; do
        [ ! -e "$file" ] || [ -e "$share/${file##*/}" ] ||
            ln -sfn "$file" "$share/${file##*/}"
    done
    for file in bios-256k.bin vgabios-stdvga.bin efi-e1000e.rom \
            linuxboot_dma.bin kvmvapic.bin pvh.bin; do
        [ -e "$share/$file" ] ||
            die "$file: no such firmware on this machine;" \
                "scripts/setup installs it"
    done
}

# is_configured OUT TREE ID: with these options, and where it stands now (a
# build folder that was moved still names its old place).
is_configured() {
    [ "$(cat "$1/.sunder-configured" 2>/dev/null)" = "$3" ] &&
        grep -qxF "SRC_PATH=$2" "$1/config-host.mak"
}

configure_emulator() {
    local tree=$1 out=$2 variant=$3 id args
    id=$(configure_args "$variant"; cat "$tree/.sunder/source")
    ! is_configured "$out" "$tree" "$id" || return 0
    need_space "${out%/*}" 2000 'the emulator'
    need_command ninja
    mapfile -t args < <(configure_args "$variant")
    rm -rf "$out"
    mkdir -p "$out"
    note "configuring QEMU ($variant)"
    ccache_settings "${out%/*}"
    (cd "$out" && logged "$out/configure.log" \
        "$tree/configure" "${args[@]}") ||
        die "QEMU's configure failed (log: $out/configure.log)"
    printf '%s\n' "$id" >"$out/.sunder-configured"
}

# Ninja's own progress goes to the terminal; it says what failed.
build_emulator() {
    local out=$1 variant=$2 jobs=$3
    ccache_settings "${out%/*}"
    # shellcheck disable=SC2046
    ninja -C "$out" -j "$jobs" $(emulator_programs "$variant") </dev/null ||
        die "the emulator does not build; the compiler's words are above"
    link_firmware "$out"
}

# Give each program a path that stays whatever the variant's folder.
publish_emulator() {
    local dir=$1 out=$2 variant=$3 program
    [ "$variant" = plain ] || dir=$dir/$variant
    mkdir -p "$dir"
    for program in $(emulator_programs "$variant"); do
        [ -x "$out/$program" ] || continue
        ln -sfn "$out/$program" "$dir/${program##*/}"
    done
}
