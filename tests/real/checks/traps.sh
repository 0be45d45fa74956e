# Origins whose kept connections are traps: no client may get an error for our reuse, and no POST may arrive twice.
# shellcheck shell=bash

# The clients of peers/asker.py; every answer must be good: ask COUNT ORIGIN... [OPTIONS...]
ask() {
    local count=$1
    shift
    python3 "$PEERS/asker.py" "$PROXY" "$@" >answers 2>wrong || fail "the clients broke: $(tail -n 1 wrong)"
    equal "answers; $(head -n 3 wrong | paste -sd ';')" "$count answers, 0 wrong" "$(cat answers)"
}

# What the origin counted: counted KEY
counted() {
    ${INSIDE:-} curl -sS --max-time 10 "http://$ORIGIN/counts" | sed 's/.*"'"$1"'": \([0-9]*\).*/\1/'
}

each_post_came_once() { # COUNT
    equal "posts at the origin" "$1" "$(counted posts)"
    equal "posts that came twice" 0 "$(counted posts_twice)"
}

# 2,500 GETs and 100 POSTs of four clients.
trap_them() {
    ask 2600 "$ORIGIN" --clients 4 --gets 625 --posts 25 "$@"
    equal "gets at the origin" 2500 "$(counted gets)"
    each_post_came_once 100
    nothing_left
}

check_fin_behind_each_response() {
    start_keeper fin
    start_tether
    trap_them
}

check_reset_on_reuse() {
    start_keeper reset
    start_tether
    trap_them
    # Seen, and no longer tried.
    "$TETHER_BIN" origins --admin "$ADMIN" >origins || fail "no list of origins"
    grep -q "^$ORIGIN " origins || fail "the origin is not listed: $(cat origins)"
    (($(metric tether_upstream_reused_total) <= 8)) || fail "reused $(metric tether_upstream_reused_total) times"
}

# Each client has the origin by an address of its own: what is learned of one spares no other its race.
check_close_at_the_edge_of_idle() {
    start_keeper idle --idle 2 --bind 0.0.0.0
    start_tether
    local origins=() number
    for number in {1..50}; do
        origins+=("127.0.1.$number:${ORIGIN##*:}")
    done
    ask 2600 "${origins[@]}" --clients 50 --gets 50 --posts 2 --every 20 --pause 1.99 2.005
    equal "gets at the origin" 2500 "$(counted gets)"
    each_post_came_once 100
    (($(metric tether_upstream_idle_ended_total) > 0)) || fail "the origin was never first"
    nothing_left
}

# Behind its answer the origin's side hears nothing more of that connection: as behind a firewall that forgot it.
check_origin_gone_silent() {
    far_network
    needs nft
    inside nft -f - <<'NFT' 2>nft.err || skip "no nftables here: $(head -n 1 nft.err)"
table ip silence {
    set gone { type inet_service; flags dynamic; }
    chain in {
        type filter hook input priority 0;
        # Another connection from a port that was silenced before.
        tcp flags & (syn | ack) == syn delete @gone { tcp sport }
        iifname "far" tcp sport @gone drop
    }
}
NFT
    INSIDE="nsenter -t $HOLDER -n"
    start_keeper silent --bind "$FAR"
    ORIGIN=$FAR:${ORIGIN##*:}
    start_tether
    trap_them
}

# === Who uses a connection again, by rule ===

rule_for_the_origin() { # LINES...
    mkdir -p policies
    printf '%s\n' '[[destination]]' 'name = "the-origin"' 'destination = "127.0.0.1"' "$@" >policies/limits.toml
}

check_reuse_off() {
    rule_for_the_origin 'reuse = "off"'
    start_keeper keep
    start_tether
    ask 500 "$ORIGIN" --clients 4 --gets 100 --posts 25
    equal "connections at the origin" 500 "$(counted connections)"
    each_post_came_once 100
    equal "reused" 0 "$(metric tether_upstream_reused_total)"
    nothing_left
}

check_reuse_shared() {
    rule_for_the_origin 'reuse = "shared"'
    start_keeper keep
    # Each worker has connections of its own.
    WORKERS=1 start_tether
    local client
    for client in 1 2 1 2 3; do
        equal "client $client" 200 "$(through -o /dev/null -w '%{http_code}' "http://$ORIGIN/id-$client")"
        wait_for "it is left for the next" no_streams
    done
    equal "connections at the origin" 1 "$(counted connections)"
    equal "orphans" 0 "$(metric tether_orphan_upstreams)"
    equal "upstream connections" 1 "$(metric tether_upstream_connections)"
    ask 400 "$ORIGIN" --clients 2 --gets 200 --path /both-
    # Two at once, and no more.
    (($(counted connections) <= 2)) || fail "$(counted connections) connections for two clients"
}

check_preopen() {
    rule_for_the_origin 'reuse = "shared"' 'preopen = 3' 'idle = "60s"'
    start_keeper keep
    WORKERS=1 start_tether
    equal "not before it is used" 0 "$(counted connections)"
    equal "one request" 200 "$(through -o /dev/null -w '%{http_code}' "http://$ORIGIN/id-1")"
    wait_for "three more are open" four_connections
    equal "preopened" 3 "$(metric tether_upstream_preopened_total)"
    ask 400 "$ORIGIN" --clients 4 --gets 100 --path /next-
    equal "orphans" 0 "$(metric tether_orphan_upstreams)"
}

four_connections() {
    [[ $(counted connections) == 4 ]]
}

# === nginx and HAProxy, as they are installed and with short times ===

# 2,500 GETs; every client pauses now and then, for about as long as the origin waits.
real_origin() { # FROM TO
    ask 2500 "$ORIGIN" --clients 20 --gets 125 --path "/small?" --every 45 --pause "$1" "$2"
    (($(metric tether_upstream_reused_total) > 1500)) || fail "reused $(metric tether_upstream_reused_total) times only"
    nothing_left
}

check_nginx_as_installed() {
    start_nginx ""
    echo hello >www/small
    start_tether
    real_origin 0.1 0.5
}

check_nginx_with_short_times() {
    start_nginx "keepalive_timeout 2s;"
    echo hello >www/small
    start_tether
    real_origin 1.99 2.01
}

check_haproxy_as_installed() {
    start_haproxy ""
    start_tether
    real_origin 0.1 0.5
}

check_haproxy_with_short_times() {
    start_haproxy "timeout http-keep-alive 2s"
    start_tether
    real_origin 1.99 2.01
}
