#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# udp-flow and dlpi as far as they run without a guest.
. "$(dirname "$0")/../scripts/tap.sh"

# A port that nobody has: tests may run beside each other.
port() {
    python3 -I -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# Until somebody listens on port $1 (proc(5), /proc/net/udp)
listening() {
    until grep -qi ":$(printf '%04X' "$1") " /proc/net/udp; do
        sleep 0.02
    done
}

what_is_sent_arrives() {
    local p
    p=$(port)
    "$UDP_FLOW" --port "$p" --json >received &
    listening "$p"
    "$UDP_FLOW" --to 127.0.0.1 --port "$p" --flows 32 --rate 640 \
        --burst 32 --count 130 >sent
    wait $!
    equal "$(sed -n 's/^flows 32 sent \(160\) refused 0$/\1 0 0 0 32 True/p' \
        sent)" "$(python3 -I -c 'import json
r = json.load(open("received"))
print(r["received"], r["lost"], r["reordered"], r["duplicated"], r["flows"],
      r["ended"])')"
}

strangers_are_counted_apart() {
    local p
    p=$(port)
    "$UDP_FLOW" --port "$p" --idle 2000 >received &
    listening "$p"
    python3 -I - "$p" <<'END'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('127.0.0.1', int(sys.argv[1])))
magic = 0x776f6c66
for flow, number in ((0, 0), (0, 2), (0, 1), (0, 1), (5000, 0),
                     (0, 2**63)):
    s.send(struct.pack('<IIQ', magic, flow, number))
s.send(b'hello')
s.send(b'')
END
    wait $!
    matches 'flows 1 received 3 lost 0 reordered 1 duplicated 1 strange 4' \
        "$(cat received)"
    matches 'the end was not heard' "$(cat received)"
}

in_the_background_somebody_listens_at_once() {
    local p i
    p=$(port)
    "$UDP_FLOW" --port "$p" --output received
    "$UDP_FLOW" --to 127.0.0.1 --port "$p" --flows 1 --count 5 --output sent
    for i in $(seq 200); do
        [ ! -e received ] || [ ! -e sent ] || break
        sleep 0.05
    done
    matches '^flows 1 received 5 lost 0 ' "$(cat received)"
    matches '^flows 1 sent 5 refused 0$' "$(cat sent)"
}

nothing_received_is_1() {
    local got=0
    "$UDP_FLOW" --port "$(port)" --wait 50 >received || got=$?
    equal 1 "$got"
}

# wrong WORD...
wrong() {
    local got=0
    "$@" >out 2>err || got=$?
    equal 2 "$got"
    [ -s err ]
}

wrong_usage_is_2() {
    wrong "$UDP_FLOW" --flows 0
    wrong "$UDP_FLOW" --to nowhere
    wrong "$UDP_FLOW" --frobnicate
    wrong "$UDP_FLOW" x
    wrong "$DLPI"
    wrong "$DLPI" 00:04.0
    wrong "$DLPI" nonsense info
    wrong "$DLPI" ffff:1f:1f.7 info
    "$UDP_FLOW" --help | grep -q '^Usage: udp-flow'
    "$DLPI" --help | grep -q '^Usage: dlpi'
}

check 'what is sent arrives and is counted' what_is_sent_arrives
check 'order, copies and strangers are counted' strangers_are_counted_apart
check 'in the background somebody listens at once' \
    in_the_background_somebody_listens_at_once
check 'nothing received is an exit status' nothing_received_is_1
check 'wrong usage is told' wrong_usage_is_2
finish
