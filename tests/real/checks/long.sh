# What takes its time in the world outside: half-closed tunnels, idle times as servers have them. tests/real/run lets these
# checks wait beside all others.
# shellcheck shell=bash

destination_rules() {
    mkdir -p policies
    cat >policies/limits.toml
}

# Behind a firewall that forgets half-closed connections after 120 s.
check_long_half_closed_tunnels() {
    needs python3
    destination_rules <<'TOML'
[[destination]]
name = "behind-panos"
destination = "127.0.0.1"
profile = "panos"
TOML
    start_tether
    python3 "$PEERS/late.py" "$PROXY" 100 130 >late || fail "the tunnels broke"
    # The clock of the first may be read a little late, that of the second not a second early.
    grep -qE '^100 s: 200, answer after 10[0-9] s$' late || fail "within the time: $(head -n 1 late)"
    grep -qE '^130 s: 200, nothing after (118|119) s$' late || fail "beyond it: $(tail -n 1 late)"
    wait_for "one was done" logged 1 '"reason":"done"'
    wait_for "one was ended by us, for the firewall" logged 1 '"profile":"panos".*"reason":"tunnel_half_close"'
    local id
    id=$(sed -n 's/.*"id":"\([^"]*\)".*"tunnel_half_close".*/\1/p' access.log)
    "$TETHER_BIN" explain-close "$id" --admin "$ADMIN" >why || fail "nothing is known of $id"
    grep -q 'The client closed first (FIN)' why && grep -q 'the time-out panos ran out' why || fail "$(cat why)"
    nothing_left
}

# One origin for each client, so that nothing learned of one spares another its race.
each_its_own() { # NET COUNT
    local number
    for ((number = 1; number <= $2; number++)); do echo "$1.$number:${ORIGIN##*:}"; done
}

# Clients that pause for as long as the origin does: race FILE CLIENTS SECONDS ORIGIN...
race() {
    local file=$1 clients=$2 seconds=$3
    shift 3
    python3 "$PEERS/asker.py" "$PROXY" "$@" --clients "$clients" --gets 50 --every 26 --path "/small?" \
        --pause "$seconds" "$seconds.02" >"raced.$file" 2>"raced.$file.wrong" &
    RACES+=($!)
    STARTED+=($!)
}

# An origin that closes after 30 s, as we do, and nginx (75 s) and HAProxy (50 s) as they are installed, where we would keep
# connections for longer.
check_long_idle_times() {
    destination_rules <<'TOML'
[[destination]]
name = "as-long-as-we-keep-them"
destination = "127.0.2.0/24"

[[destination]]
name = "kept-for-longer"
destination = "*"
idle = "5m"
TOML
    RACES=()
    start_tether $'[timeouts]\nclient_idle = "5m"'
    start_keeper idle --idle 30 --bind 0.0.0.0
    local own longer
    mapfile -t own < <(each_its_own 127.0.2 20)
    mapfile -t longer < <(each_its_own 127.0.1 20)
    race own 20 29 "${own[@]}"
    race edge 20 30 "${own[@]}"
    race longer 20 30 "${longer[@]}"
    start_nginx ""
    echo hello >www/small
    race nginx 20 75 "$ORIGIN"
    start_haproxy ""
    race haproxy 20 50 "$ORIGIN"
    local racing file
    for racing in "${RACES[@]}"; do
        wait "$racing" || fail "the clients broke"
    done
    for file in own edge longer nginx haproxy; do
        equal "$file; $(head -n 3 "raced.$file.wrong" | paste -sd ';')" "1000 answers, 0 wrong" "$(cat "raced.$file")"
    done
    (($(metric tether_upstream_idle_ended_total) > 0)) || fail "no origin was ever first"
    nothing_left
}
