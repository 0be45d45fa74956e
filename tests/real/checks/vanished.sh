# A client that is cut off without a word: found by keepalive probes, 15 s + 3 x 5 s, and everything of it closed.
# shellcheck shell=bash

# A network of its own for the client, joined to ours by a pair of interfaces; both go when its holder ends.
client_network() {
    ((EUID == 0)) || skip "needs root for a network namespace"
    needs ip && needs unshare && needs nsenter
    unshare -n sleep 300 2>unshare.err &
    HOLDER=$!
    STARTED+=("$HOLDER")
    wait_for "the network is there, or cannot be had" is_settled
    has_ended "$HOLDER" && skip "no network namespace here: $(cat unshare.err)"
    local name=teth$((RANDOM % 10000))
    ip link add "$name" type veth peer name client netns "$HOLDER" 2>ip.err || skip "no veth here: $(cat ip.err)"
    ip address add 198.18.77.1/30 dev "$name"
    ip link set "$name" up
    inside ip address add 198.18.77.2/30 dev client
    inside ip link set client up
}

is_settled() {
    has_ended "$HOLDER" || [[ $(readlink "/proc/$HOLDER/ns/net") != "$(readlink /proc/$$/ns/net)" ]]
}

inside() {
    nsenter -t "$HOLDER" -n "$@"
}

check_vanished_client() {
    client_network
    start_origin
    BIND=198.18.77.1:0 start_tether
    inside curl -sS --max-time 150 -x "http://$PROXY" "http://$ORIGIN/silent" >body &
    STARTED+=($!)
    wait_for "the origin was asked" test -e silent.asked
    # Not one packet of the client leaves any more.
    inside ip route add blackhole 198.18.77.1/32
    SOON=450
    wait_for "the origin saw its connection close" test -e silent.closed
    nothing_left
}
