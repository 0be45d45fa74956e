# SIGTERM lets a download under way finish and takes no new client; a second signal stops at once.
# shellcheck shell=bash

# Starts a download that stands still in its middle. Nobody scans it, or that half would be held.
start_download() {
    start_origin && start_tether $'[inspect]\ndefault = []'
    "${VIA[@]}" -N "http://$ORIGIN/half" >body 2>curl.err &
    DOWNLOAD=$!
    STARTED+=("$DOWNLOAD")
    wait_for "half of it is here" test -s body
}

refuses() {
    local code=0
    curl -sS --max-time 5 -x "http://$PROXY" "http://$ORIGIN/hello" || code=$?
    ((code == 7))
}

check_drain() {
    start_download
    kill -TERM "$TETHER"
    wait_for "new clients are refused" refuses
    equal "readiness" 503 "$(curl -sS -o /dev/null -w '%{http_code}' "http://$ADMIN/readyz")"
    has_ended "$TETHER" && fail "ended before the download did"
    touch half.release
    ends_with "the download" "$DOWNLOAD" 0
    equal "body" "first half, second half" "$(cat body)"
    ends_with tether "$TETHER" 0
}

check_second_signal() {
    start_download
    kill -TERM "$TETHER"
    wait_for "it drains" grep -q draining tether.err
    kill -INT "$TETHER"
    ends_with tether "$TETHER" 0
    # Cut, and seen to be cut: CURLE_RECV_ERROR, for a reset.
    ends_with "the download" "$DOWNLOAD" 56
    wait_for "the origin saw its connection close" test -e half.closed
}

check_idle_drain() {
    start_tether
    kill -INT "$TETHER"
    ends_with tether "$TETHER" 0
}
