# SPDX-License-Identifier: GPL-2.0-or-later
# A private apt: other releases' packages and sources, by way of the mirror
# this machine already uses, without a change to its configuration and
# without root.  Sourced after common.sh.

APT_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# The release this machine runs, by its code name (bookworm, trixie).
debian_codename() {
    # shellcheck disable=SC1091
    (. /etc/os-release && printf '%s\n' "${VERSION_CODENAME:-}")
}

# The archive of this release among those whose lists are on this machine:
# the security archive and other vendors' do not hold what we need.
mirror_from_lists() {
    apt-get indextargets \
        --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(LABEL)' \
        'Created-By: Packages' 2>/dev/null |
        awk -F'|' -v release="$1" '
            $2 != release && $2 !~ /^(old)*stable$/ { next }
            $3 == "main" && $4 == "Debian" && $5 == "Debian" {
                print $1
                exit
            }'
}

# The same before "apt-get update" has ever run, from what it would fetch.
# Debian's own archive is the one that has this release's updates as well.
mirror_from_sources() {
    apt-get --print-uris update 2>/dev/null |
        sed -n "s|^'\(.*\)/dists/\([^/']*\)/InRelease'.*|\1 \2|p" |
        awk -v release="$1" '
            $2 == release || $2 ~ /^(old)*stable$/ { last = $1 }
            $2 == release && !first { first = $1 }
            $2 ~ /-updates$/ { updates[$1] = 1 }
            last in updates && !best { best = last }
            END { print best ? best : (first ? first : last) }'
}

# The address from which this machine takes its release's archive.
apt_mirror() {
    local release uri
    release=$(debian_codename)
    uri=$(mirror_from_lists "$release")
    [ -n "$uri" ] || uri=$(mirror_from_sources "$release")
    [ -n "$uri" ] ||
        die "apt: no archive of $release main among this machine's sources;" \
            "add one to /etc/apt/sources.list"
    printf '%s\n' "${uri%/}"
}

# apt_private FOLDER LINE...: make FOLDER a private apt whose sources are the
# lines given, in each of which MIRROR stands for this machine's mirror.
apt_private() {
    local dir=$1 mirror line
    shift
    mirror=$(apt_mirror) || exit 1
    [ -r "$APT_KEYRING" ] ||
        die "$APT_KEYRING: missing; install debian-archive-keyring"
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    for line; do
        printf '%s\n' "${line//MIRROR/$mirror}"
    done | sed "s|^\(deb[a-z-]*\) |\1 [signed-by=$APT_KEYRING] |" \
        >"$dir/sources.list"
    : >"$dir/empty"
    cat >"$dir/apt.conf" <<END
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "$dir/empty";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir/cache";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Retries "3";
Dpkg::Use-Pty "0";
END
}

# apt_in FOLDER COMMAND...: run an apt command with the private apt's settings.
apt_in() {
    local dir=$1
    shift
    APT_CONFIG="$dir/apt.conf" DEBIAN_FRONTEND=noninteractive "$@"
}
