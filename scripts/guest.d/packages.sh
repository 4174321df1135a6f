# SPDX-License-Identifier: GPL-2.0-or-later
# A guest's Debian packages: which ones, and their download.
# Sourced by scripts/guest after lib/common.sh and lib/apt.sh.

# kernel_suites SERIES: where its kernel is looked for, best first.  Suites are
# named, never left to what the host runs, so that every host makes one guest.
kernel_suites() {
    case $1 in
    6.1) echo bookworm ;;
    6.12) echo bookworm-backports trixie ;;
    esac
}

# listed FILE: its words, without comments.
listed() {
    sed 's/#.*//' "$1" | tr -s '[:space:]' '\n' | sed '/^$/d'
}

# The package that holds the kernel: the meta-package's only dependency.
kernel_package() {
    local apt=$1 suite=$2
    apt_in "$apt" apt-cache show --no-all-versions "linux-image-amd64/$suite" \
        2>/dev/null |
        sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1
}

# Fill the private apt's lists; the suite that has the kernel on stdout.
choose_suite() {
    local series=$1 apt=$2 log=$3 suite package
    for suite in $(kernel_suites "$series"); do
        if [ "$suite" = bookworm ]; then
            apt_private "$apt" 'deb MIRROR bookworm main'
        else
            apt_private "$apt" 'deb MIRROR bookworm main' \
                "deb MIRROR $suite main"
        fi
        # No package counts as installed: the closure is complete.
        printf 'Dir::State::Status "%s";\n' "$apt/empty" >>"$apt/apt.conf"
        printf 'APT::Default-Release "bookworm";\n' >>"$apt/apt.conf"
        apt_in "$apt" logged "$log" apt-get update -q || continue
        package=$(kernel_package "$apt" "$suite")
        case $package in
        linux-image-"$series".*) echo "$suite $package"; return 0 ;;
        esac
    done
    return 1
}

# What a store is asked for: the root's packages, and the headers that our own
# modules are built against.
wanted() {
    listed "$HERE/guest.d/packages.list"
    echo linux-headers
}

# sound SERIES STORE: are all packages there, unchanged, and those we want?
sound() {
    local manifest=$2/$1.manifest
    [ -s "$manifest" ] &&
        wanted | cmp -s - "$2/$1.wanted" &&
        awk '{ print $3 "  " $4 }' "$manifest" |
        (cd "$2" && sha256sum --strict --status -c - 2>/dev/null)
}

# A line "package version sha256 file" for each package of a folder.
describe() {
    local deb
    for deb in "$1"/*.deb; do
        printf '%s %s %s\n' \
            "$(dpkg-deb -W --showformat='${Package} ${Version}' "$deb")" \
            "$(sha256sum "$deb" | cut -d' ' -f1)" "${deb##*/}"
    done
}

# The files that make up the guest's root: apt's answer while its archive is
# empty, for it leaves out what it has.
root_files() {
    # shellcheck disable=SC2046
    apt_in "$1" apt-get install -qy --print-uris --no-install-recommends \
        $(listed "$HERE/guest.d/packages.list") 2>"$2" |
        awk '/^\x27/ { print $2 }'
}

# fetch_root APT STORE LOG FOLDER: the root's packages into FOLDER.
fetch_root() {
    local apt=$1 store=$2 log=$3 folder=$4 file files
    files=$(root_files "$apt" "$log")
    [ -n "$files" ] || return 1
    for file in $files; do
        # What an earlier download left is checked by apt, not fetched again.
        [ ! -e "$store/$file" ] || cp "$store/$file" "$apt/cache/archives/"
    done
    # shellcheck disable=SC2046
    apt_in "$apt" logged "$log" apt-get install -qy --download-only \
        --no-install-recommends $(listed "$HERE/guest.d/packages.list") ||
        return 1
    for file in $files; do
        mv "$apt/cache/archives/$file" "$folder/" || return 1
    done
}

# fetch_kernel APT SUITE KERNEL LOG FOLDER: the kernel's package, and those
# that modules for it are built with: its headers' dependencies of the same
# version.
fetch_kernel() {
    local apt=$1 suite=$2 kernel=$3 log=$4 folder=$5 headers others
    headers=${kernel/linux-image-/linux-headers-}
    others=$(apt_in "$apt" apt-cache show --no-all-versions \
        "$headers/$suite" 2>/dev/null | sed -n 's/^Depends: //p' |
        tr ',' '\n' | sed -n 's/^ *\(linux-\(headers\|kbuild\)-[^ ]*\).*/\1/p')
    [ -n "$others" ] || return 1
    # shellcheck disable=SC2086
    (cd "$folder" && apt_in "$apt" logged "$log" apt-get download -q \
        $(printf "%s/$suite\n" "$kernel" "$headers" $others))
}

# Download into a folder of its own; the cache takes it over when complete.
download() {
    local series=$1 store=$2 work=$3 log=$4 found suite kernel
    mkdir -p "$work/debs"
    need_space "$store" 400 "a guest's packages"
    note "kernel $series: fetching packages (185 MiB) into $store"
    found=$(choose_suite "$series" "$work/apt" "$log") ||
        die "kernel $series: not to be had from" \
            "$(kernel_suites "$series" | sed 's/ / or /'):" \
            "is there a network? (log: $log)"
    suite=${found% *}
    kernel=${found#* }
    fetch_root "$work/apt" "$store" "$log" "$work/debs" ||
        die "packages of the guest's root cannot be downloaded (log: $log)"
    fetch_kernel "$work/apt" "$suite" "$kernel" "$log" "$work/debs" ||
        die "$kernel cannot be downloaded (log: $log)"
    describe "$work/debs" >"$work/manifest"
    mv -f "$work/debs"/*.deb "$store/"
    mv -f "$work/manifest" "$store/$series.manifest"
    wanted >"$store/$series.wanted"
}
