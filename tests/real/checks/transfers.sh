# Large bodies: a gigabyte both ways of downloading, checksummed, and downloads that the client gives up.
# shellcheck shell=bash

# A sparse gigabyte with a mark of its own every 64 KiB, so that no piece can be lost, doubled or moved unseen.
write_gigabyte() {
    python3 - "$1" <<'PY'
import sys
with open(sys.argv[1], "wb") as file:
    for at in range(0, 1 << 30, 1 << 16):
        file.seek(at)
        file.write(b"mark %d" % at)
    file.truncate(1 << 30)
PY
}

download_gigabyte() { # CURL OPTIONS...
    needs python3
    start_nginx
    write_gigabyte www/gigabyte
    start_tether
    local expected got
    expected=$(sha256sum <www/gigabyte)
    got=$(through --max-time 150 "$@" "http://$ORIGIN/gigabyte" | sha256sum)
    equal "sha256" "$expected" "$got"
    nothing_left
}

check_gigabyte_by_get() {
    download_gigabyte
}

check_gigabyte_by_connect() {
    download_gigabyte -p
    equal "bytes that left" 1 "$(($(metric 'tether_client_bytes_total{direction="out"}') >> 30))"
}

check_aborted_download() {
    start_origin && start_tether
    # head leaves after 100 kB; curl finds its pipe broken and closes.
    (set +o pipefail; through "http://$ORIGIN/endless" 2>/dev/null | head -c 100000 >body)
    equal "bytes" 100000 "$(stat -c %s body)"
    nothing_left
    wait_for "the origin saw its connection close" test -e endless.closed
    wait_for "the client is named in the access log" logged 1 '"closed_by":"client"'
}

check_aborted_tunnel() {
    start_origin && start_tether
    (set +o pipefail; through -p "http://$ORIGIN/endless" 2>/dev/null | head -c 100000 >body)
    equal "bytes" 100000 "$(stat -c %s body)"
    nothing_left
    wait_for "the origin saw its connection close" test -e endless.closed
}

# Nothing moves: only the tie to the client can end this one.
check_aborted_long_poll() {
    start_origin && start_tether
    "${VIA[@]}" "http://$ORIGIN/silent" >body &
    local client=$!
    wait_for "the origin was asked" test -e silent.asked
    kill -KILL "$client"
    wait_for "the origin saw its connection close" test -e silent.closed
    nothing_left
    wait_for "the client is named in the access log" logged 1 '"closed_by":"client"'
}
