# A network of its own beside ours, joined to it by a pair of interfaces; both go with the check.
# shellcheck shell=bash

# Sets HOLDER and LINK; our address there is NEAR, the other side's FAR.
far_network() {
    ((EUID == 0)) || skip "needs root for a network namespace"
    needs ip && needs unshare && needs nsenter
    unshare -n sleep 300 2>unshare.err &
    HOLDER=$!
    STARTED+=("$HOLDER")
    wait_for "the network is there, or cannot be had" is_settled
    has_ended "$HOLDER" && skip "no network namespace here: $(cat unshare.err)"
    # Not the same in every run: another may go on beside this one.
    local name=teth$((RANDOM % 10000)) net=198.18.$((RANDOM % 256))
    NEAR=$net.1 FAR=$net.2
    ip link add "$name" type veth peer name far netns "$HOLDER" 2>ip.err || skip "no veth here: $(cat ip.err)"
    LINK=$name
    ip address add "$NEAR/30" dev "$LINK"
    ip link set "$LINK" up
    inside ip address add "$FAR/30" dev far
    inside ip link set far up
    inside ip link set lo up
}

is_settled() {
    has_ended "$HOLDER" || [[ $(readlink "/proc/$HOLDER/ns/net") != "$(readlink /proc/$$/ns/net)" ]]
}

inside() {
    nsenter -t "$HOLDER" -n "$@"
}

# A namespace lives on while connections in it die slowly, and its interfaces with it.
take_network_down() {
    [[ -z ${LINK:-} ]] || ip link delete "$LINK" 2>/dev/null || true
}
