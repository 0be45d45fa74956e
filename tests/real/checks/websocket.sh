# WebSocket through both ways in: an Upgrade in plain HTTP, and a CONNECT tunnel.
# shellcheck shell=bash

talk() { # MODE
    start_origin && start_tether
    local said
    said=$(python3 "$PEERS/ws_client.py" "$PROXY" "$ORIGIN" "$1" 100)
    equal "conversation" "100 messages echoed, closed with 1000" "$said"
    nothing_left
}

check_websocket_by_upgrade() {
    talk upgrade
    wait_for "101 in the access log" logged 1 '"status":101'
}

check_websocket_by_connect() {
    talk connect
}
