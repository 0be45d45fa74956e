# A process out of descriptors: clients wait, nothing breaks, and service is back the moment there is room.
# shellcheck shell=bash

is_exhausted() {
    grep -q 'no descriptors left' tether.err
}

check_out_of_descriptors() {
    start_origin
    ulimit -n 256
    start_tether
    # 400 clients need more descriptors than this shell has left: two crowds.
    local crowds=() name
    for name in one two; do
        python3 "$PEERS/crowd.py" "$PROXY" 200 >"crowd.$name" &
        crowds+=($!)
        STARTED+=($!)
    done
    wait_for "400 clients are there" grep -q open crowd.one
    wait_for "400 clients are there" grep -q open crowd.two
    wait_for "the proxy has run out" is_exhausted
    kill -KILL "${crowds[@]}"
    equal "answer within 2 s" hello "$(through --max-time 2 "http://$ORIGIN/hello")"
    local count
    count=$(metric 'tether_accept_errors_total{kind="exhausted"}')
    ((count > 0)) || fail "not counted"
    nothing_left
}
