# A client that is cut off without a word: found by keepalive probes, 15 s + 3 x 5 s, and everything of it closed.
# shellcheck shell=bash

check_vanished_client() {
    far_network
    start_origin
    BIND=$NEAR:0 start_tether
    inside curl -sS --max-time 150 -x "http://$PROXY" "http://$ORIGIN/silent" >body &
    STARTED+=($!)
    wait_for "the origin was asked" test -e silent.asked
    # Not one packet of the client leaves any more.
    inside ip route add blackhole "$NEAR/32"
    SOON=450
    wait_for "the origin saw its connection close" test -e silent.closed
    nothing_left
}
