#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Setting up finds the right archive and says in one line what it cannot do.
. "$(dirname "$0")/tap.sh"
. "$REPO/scripts/lib/common.sh"
. "$REPO/scripts/lib/apt.sh"

debian_codename() {
    echo bookworm
}

# apt_knows LISTS SOURCES: what apt-get indextargets and update would print.
apt_knows() {
    mkdir -p bin
    printf '%s' "$1" >lists
    printf '%s' "$2" >sources
    cat >bin/apt-get <<END
#!/bin/sh
case \$1 in
indextargets) cat $PWD/lists ;;
*) cat $PWD/sources ;;
esac
END
    chmod +x bin/apt-get
    PATH=$PWD/bin:$PATH
}

debian_among_vendors() {
    apt_knows 'http://v.example/deb/|bookworm|main|vendor|vendor
http://m.example/debian-security/|bookworm-security|main|Debian|Debian-Security
http://m.example/debian/|bookworm-updates|main|Debian|Debian
http://m.example/debian/|bookworm|contrib|Debian|Debian
http://m.example/debian/|bookworm|main|Debian|Debian
' ''
    equal http://m.example/debian "$(apt_mirror)"
}

suite_by_its_other_name() {
    apt_knows 'http://m.example/debian/|oldstable|main|Debian|Debian
' ''
    equal http://m.example/debian "$(apt_mirror)"
}

before_any_list() {
    apt_knows '' "'http://v.example/deb/dists/bookworm/InRelease' a 0
'http://m.example/debian/dists/bookworm/InRelease' b 0
'http://m.example/debian/dists/bookworm-updates/InRelease' c 0
'http://m.example/sec/dists/bookworm-security/InRelease' d 0
"
    equal http://m.example/debian "$(apt_mirror)"
}

list_of_mirrors() {
    apt_knows '' "'mirror+file:/etc/m.list/dists/bookworm/InRelease' a 0
"
    equal mirror+file:/etc/m.list "$(apt_mirror)"
}

no_archive() {
    apt_knows '' ''
    fails apt_mirror
    matches 'error: apt: no archive of bookworm main' "$said"
}

private_apt_leaves_the_machine_alone() {
    apt_knows 'http://m.example/debian/|bookworm|main|Debian|Debian
' ''
    APT_KEYRING=$PWD/keyring
    : >keyring
    apt_private "$PWD/apt" 'deb MIRROR trixie main'
    equal "deb [signed-by=$PWD/keyring] http://m.example/debian trixie main" \
        "$(cat apt/sources.list)"
    equal '' "$(grep -E '"/(etc|var)' apt/apt.conf || true)"
}

# setup_as UID: with no package installed and no sudo.
setup_as() {
    local tool
    mkdir -p only
    for tool in bash dirname mktemp sed grep dpkg cut; do
        ln -sf "$(command -v "$tool")" only/
    done
    printf '#!%s\nexit 1\n' "$(command -v bash)" >only/dpkg-query
    printf '#!%s\necho %s\n' "$(command -v bash)" "$1" >only/id
    chmod +x only/*
    env -i PATH="$PWD/only" "$BASH" "$REPO/scripts/setup"
}

neither_root_nor_sudo() {
    fails setup_as 1000
    matches 'missing: gcc .*neither root nor someone who may use sudo' "$said"
    equal 1 "$(printf '%s\n' "$said" | wc -l)"
}

unknown_option() {
    fails "$REPO/scripts/setup" --everything
    matches 'everything: no such option' "$said"
}

check 'the archive is Debian'\''s own, not security or a vendor' \
    debian_among_vendors
check 'a suite may be named oldstable' suite_by_its_other_name
check 'the archive is found before any list is there' before_any_list
check 'a list of mirrors is an archive' list_of_mirrors
check 'no archive is one line of error' no_archive
check 'a private apt leaves the machine alone' \
    private_apt_leaves_the_machine_alone
check 'neither root nor sudo is one line of error' neither_root_nor_sudo
check 'an unknown option is named' unknown_option
finish
