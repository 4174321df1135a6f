# SPDX-License-Identifier: GPL-2.0-or-later
# A guest's files, out of its Debian packages; no step needs root.
# Sourced by scripts/guest after lib/common.sh.

# Manual pages, translations and the like are never read in the guest.
UNWANTED=(--wildcards --anchored '--exclude=./usr/share/doc/*'
          '--exclude=./usr/share/man/*' '--exclude=./usr/share/locale/*'
          '--exclude=./usr/share/info/*' '--exclude=./usr/share/lintian/*'
          '--exclude=./usr/share/bash-completion/*')

# unpack_packages STORE ROOT: those named on standard input.
unpack_packages() {
    local file
    while read -r file; do
        dpkg-deb --fsys-tarfile "$1/$file" |
            tar -C "$2" -xf - --keep-directory-symlink --no-same-owner \
                "${UNWANTED[@]}" || return 1
    done
}

# Debian's merged /usr is the work of a program that runs at installation;
# nothing is installed here, so the links are made first and tar keeps them.
unpack_root() {
    local store=$1 root=$2 manifest=$3 name kernel
    for name in bin sbin lib lib64; do
        mkdir -p "$root/usr/$name"
        ln -s "usr/$name" "$root/$name"
    done
    # The kernel takes as long as all the rest: side by side.
    awk '$1 ~ /^linux-image-/ { print $4 }' "$manifest" |
        unpack_packages "$store" "$root" &
    kernel=$!
    awk '$1 !~ /^linux-(image|headers|kbuild)-/ { print $4 }' "$manifest" |
        unpack_packages "$store" "$root"
    wait "$kernel"
}

# What packages would set up when installed, as far as tools here need it.
settle_root() {
    local root=$1 applet
    mkdir -p "$root"/{dev,proc,sys,run,tmp,root,mnt,etc,var/tmp,var/log}
    chmod 1777 "$root/tmp" "$root/var/tmp"
    mkdir -p "$root/usr/local/bin" "$root/etc/udhcpc"
    ln -sf dash "$root/usr/bin/sh"
    ln -sf gawk "$root/usr/bin/awk"
    ln -sf /proc/self/mounts "$root/etc/mtab"
    cp -RP "$HERE/guest.d/etc/." "$root/etc/"
    install -m 755 "$HERE/guest.d/hotplug" "$root/usr/sbin/sunder-hotplug"
    for applet in $("$root/bin/busybox" --list); do
        [ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] ||
            ln -sf /bin/busybox "$root/usr/bin/$applet"
    done
    for applet in poweroff reboot halt; do
        # Without an init that listens, only the forced kind does anything.
        printf '#!/bin/sh\nexec /bin/busybox %s -f "$@"\n' "$applet" \
            >"$root/usr/sbin/$applet"
        chmod 755 "$root/usr/sbin/$applet"
        rm -f "$root/usr/bin/$applet"
    done
}

# Modules stay as the package has them but for compression: unpacking them
# in the guest, under TCG, costs more than reading them.
settle_modules() {
    local modules=$1 release=$2
    find "$modules/lib/modules/$release" -name '*.ko.xz' \
        -exec xz -d --quiet {} +
    depmod -b "$modules" "$release"
}

# module_files MODULES RELEASE NAME...: the files of these modules and of all
# they depend on.  A name the kernel has built in has none.
module_files() {
    local modules=$1 release=$2 name
    shift 2
    for name; do
        modprobe -d "$modules" -S "$release" --show-depends "$name" ||
            die "$name: no such module in kernel $release" \
                "(named in scripts/guest.d/modules.list)"
    done | awk '$1 == "insmod" { print $2 }' | sort -u
}

# make_initrd ROOT RELEASE OUTPUT WORK
make_initrd() {
    local root=$1 release=$2 output=$3 tree=$4/initrd file applet
    mkdir -p "$tree"/{bin,sbin,dev,proc,sys,root,run,tmp,etc} \
        "$tree/usr/local/bin" "$tree/lib/modules/$release"
    cp "$root/bin/busybox" "$tree/bin/busybox"
    for applet in $("$root/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
    done
    # shellcheck disable=SC2046
    for file in $(module_files "$root/usr" "$release" \
                  $(listed "$HERE/guest.d/modules.list")); do
        mkdir -p "$tree/${file%/*}"
        cp "$file" "$tree/lib/modules/$release/"
    done
    cp "$root/usr/lib/modules/$release"/modules.{order,builtin*} \
        "$tree/lib/modules/$release/"
    depmod -b "$tree" "$release"
    rm "$tree/lib/modules/$release"/modules.*.bin
    install -m 755 "$HERE/guest.d/init" "$tree/init"
    install -m 755 "$HERE/guest.d/hotplug" "$tree/sbin/sunder-hotplug"
    install -m 755 "$HERE/guest.d/modprobe" "$tree/sbin/modprobe"
    find "$tree" -exec touch -hd @0 {} +
    (cd "$tree" && find . | sort |
        cpio --quiet --reproducible -R 0:0 -H newc -o) >"$output"
}

make_squashfs() {
    mksquashfs "$1" "$2" -noappend -all-root -no-xattrs -no-progress \
        -mkfs-time 0 -all-time 0 -comp zstd -Xcompression-level 3
}
