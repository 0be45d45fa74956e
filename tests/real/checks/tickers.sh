# The story of the tickers: one client that holds too many of them is refused, and nobody else notices.
# shellcheck shell=bash

# As the documentation has it, word for word.
ticker_rules() {
    mkdir -p policies
    cat >policies/limits.toml <<'TOML'
[[group]]
name = "livesport"
hosts = ["p*.livesport.example", "p*.flashsports.example"]
[[limit]]
name = "livesport-pair"
destination = "group:livesport"     # host, "*.suffix", CIDR, "group:NAME" or "*"
per = "pair"                        # "source" | "prefix" | "destination" | "pair" | "listener" | "global"
exchanges = 32
streams = 6
over = "reject"                     # "queue" | "evict_oldest_idle"
queue = { max = 64, wait = "1s" }
mode = "enforce"                    # or "simulate"
TOML
}

# Only what says that it is a stream becomes one within the time of a check: long polls stay plain exchanges.
start_with_tickers() {
    start_origin
    PORT=${ORIGIN##*:}
    HOSTS='"p1.livesport.example" = "127.0.0.1"
"p2.livesport.example" = "127.0.0.1"
"p9.flashsports.example" = "127.0.0.1"' start_tether $'[limits]\nstream_after = "100s"'
}

# One request from an address: from ADDRESS URL [CURL OPTIONS...]; prints the status, the head goes to head, the body to body.
from() {
    local address=$1 url=$2
    shift 2
    through --max-time 10 --interface "$address" -D head -o body -w '%{http_code}' "$@" "http://$url" || true
}

# What a page shows live scores with stays open: hold ADDRESS URL [CURL OPTIONS...]; HELD has the processes.
hold() {
    local address=$1 url=$2 name=held.${#HELD[@]}
    shift 2
    "${VIA[@]}" -N --interface "$address" --max-time 100 "$@" "http://$url" >"$name" 2>"$name.err" &
    HELD+=($!)
    STARTED+=($!)
}

ticker() { # ADDRESS HOST
    local name=held.${#HELD[@]}
    hold "$1" "$2:$PORT/events" -H 'Accept: text/event-stream'
    wait_for "a ticker at $2" grep -q 'event 2' "$name"
}

# The status of one more ticker, which is not to last: another_ticker ADDRESS HOST
another_ticker() {
    from "$1" "$2:$PORT/events" -H 'Accept: text/event-stream' --max-time 2 2>/dev/null
}

refused_by() { # STATUS ERROR
    grep -qE "^HTTP/1.1 $1 " head || fail "$1 was expected: $(head -n 1 head)"
    grep -qiE '^retry-after: [1-9][0-9]*' head || fail "no Retry-After: $(cat head)"
    grep -qi "^proxy-status: tether; error=$2" head || fail "no Proxy-Status: $(cat head)"
}

leave() {
    kill -KILL "${HELD[@]}" 2>/dev/null || true
    HELD=()
    nothing_left
}

list_limits() {
    "$TETHER_BIN" limits list --admin "$ADMIN" >limits || fail "no list of limits"
}

# The row of a holder: row_is RULE PER HOLDER EXCHANGES STREAMS
row_is() {
    list_limits
    awk -v rule="$1" -v per="$2" -v holder="$3" '
        $1 == rule && index($0, " " per " ") && index($0, " " holder " ") { found = 1; print $(NF - 4), $(NF - 2) }
        END { exit !found }' limits >row || fail "no row $1 $3: $(cat limits)"
    equal "what $3 holds of $1" "$4 $5" "$(cat row)"
}

tell_the_story() {
    HELD=()
    local number
    for number in {1..6}; do ticker 127.0.0.2 p1.livesport.example; done
    # Nobody gets more by going to a sister site.
    equal "a seventh, at p2" 429 "$(another_ticker 127.0.0.2 p2.livesport.example)"
    refused_by 429 http_request_denied
    wait_for "the rule in the log" logged 1 '"status":429.*"limit":"livesport-pair".*"reason":"pair_limit"'
    equal "a seventh, at the other site" 429 "$(another_ticker 127.0.0.2 p9.flashsports.example)"
    equal "a page of the same group" 200 "$(from 127.0.0.2 "p2.livesport.example:$PORT/hello")"
    equal "a page of another site" 200 "$(from 127.0.0.2 "origin.example:$PORT/hello")"
    ticker 127.0.0.2 origin.example
    for number in {1..6}; do ticker 127.0.0.3 p1.livesport.example; done
    row_is livesport-pair pair "127.0.0.2 group:livesport" 6/32 6/6
    row_is livesport-pair pair "127.0.0.3 group:livesport" 6/32 6/6
    grep -q 'livesport-pair: refused 2 (full)' limits || fail "what it refused: $(cat limits)"
    # A CONNECT is told before there is a 200.
    fill_up
    equal "a tunnel too many" 429 "$(from 127.0.0.2 "p1.livesport.example:$PORT/hello" -p -w '%{http_connect}' 2>/dev/null | head -c 3)"
    equal "a page of the other client" 200 "$(from 127.0.0.3 "p2.livesport.example:$PORT/hello")"
    leave
    equal "once they are gone" 200 "$(from 127.0.0.2 "p2.livesport.example:$PORT/hello")"
}

# 26 long polls beside the six tickers: no exchange more.
fill_up() {
    local number
    for number in {1..26}; do hold 127.0.0.2 "p2.livesport.example:$PORT/silent"; done
    wait_for "32 exchanges" exchanges_are 32
    equal "a page too many" 429 "$(from 127.0.0.2 "p1.livesport.example:$PORT/hello")"
    refused_by 429 http_request_denied
}

exchanges_are() {
    list_limits
    grep -q "127.0.0.2 group:livesport  *$1/32" limits
}

check_tickers() {
    ticker_rules
    start_with_tickers
    tell_the_story
}

check_tickers_by_the_shipped_rules() {
    mkdir -p policies
    cp "$PEERS/../../../policies/limits.toml" policies
    start_with_tickers
    tell_the_story
}

check_tickers_by_the_built_in_rules() {
    start_with_tickers
    tell_the_story
}

check_tickers_simulated() {
    ticker_rules
    sed -i 's/^mode = "enforce"/mode = "simulate"/' policies/limits.toml
    start_with_tickers
    HELD=()
    local number
    for number in {1..8}; do ticker 127.0.0.2 p1.livesport.example; done
    list_limits
    grep -q 'livesport-pair: would have refused 2' limits || fail "$(cat limits)"
    leave
}

# === As many as descriptors allow, held by 20 clients, each with an event now and then ===

check_crowd_of_tickers() {
    needs python3 && needs nginx
    ulimit -n "$(ulimit -Hn)"
    local count=9500
    (($(ulimit -n) >= 2 * count + 640)) || skip "a process may not have $((2 * count + 640)) descriptors"
    mkdir -p policies
    cat >policies/limits.toml <<'TOML'
[[limit]]
name = "per-source"
per = "source"
exchanges = 1000
streams = 1000
[[limit]]
name = "per-pair"
per = "pair"
count_by = "domain"
exchanges = 100
streams = 100
TOML
    start_tether $'[limits]\nstream_lane = 100'
    python3 "$PEERS/tickers.py" "$PROXY" "$TETHER" "$count" >figures 2>crowd.err || fail "$(tail -n 1 crowd.err)"
    figure_is_below p99_ms 50
    figure_is_below kib "$KIB_PER_TICKER"
    nothing_left
}

# Without optimisation tasks are larger than in a release; what scans a stream is part of each.
KIB_PER_TICKER=12

figure_is_below() { # NAME BOUND
    python3 -c 'import json, sys; sys.exit(not json.load(open("figures"))[sys.argv[1]] < float(sys.argv[2]))' "$1" "$2" ||
        fail "$1 is not below $2: $(cat figures)"
}

# === Changes while it runs ===

check_limits_changed_by_hand() {
    ticker_rules
    start_with_tickers
    HELD=()
    "$TETHER_BIN" limits set livesport-pair --streams 1 --admin "$ADMIN" >out 2>err || fail "not set: $(cat err)"
    says out 'livesport-pair: exchanges 32, streams 1, over reject, mode enforce'
    ticker 127.0.0.2 p1.livesport.example
    equal "a second" 429 "$(another_ticker 127.0.0.2 p2.livesport.example)"
    "$TETHER_BIN" limits set livesport-pair --streams 2 --admin "$ADMIN" >out || fail "not set again"
    ticker 127.0.0.2 p2.livesport.example
    row_is 'livesport-pair' pair "127.0.0.2 group:livesport" 2/32 2/2
    "$TETHER_BIN" limits mode off --admin "$ADMIN" >out || fail "not switched"
    ticker 127.0.0.2 p1.livesport.example
    equal "no such rule" 1 "$(status_of "$TETHER_BIN" limits set nonsense --streams 2 --admin "$ADMIN")"
    says err 'no rule has that name'
    leave
}

check_bad_file_changes_nothing() {
    ticker_rules
    start_with_tickers
    HELD=()
    ticker 127.0.0.2 p1.livesport.example
    sed -i 's/^streams = 6/streems = 2/' policies/limits.toml
    equal "tether reload" 78 "$(status_of "$TETHER_BIN" reload --admin "$ADMIN")"
    says err 'limits.toml:9:1'
    says err 'did you mean `streams`?'
    says err 'The settings in use stay as they were.'
    kill -HUP "$TETHER"
    wait_for "SIGHUP is told of in the log" grep -q 'streems' tether.err
    local number
    for number in {2..6}; do ticker 127.0.0.2 p2.livesport.example; done
    equal "the old rule" 429 "$(another_ticker 127.0.0.2 p2.livesport.example)"
    equal "refused reloads" 2 "$(metric 'tether_config_reloads_total{result="failed"}')"
    # Held tickers are untouched, and the new rule counts them.
    sed -i 's/^streems = 2/streams = 7/' policies/limits.toml
    kill -HUP "$TETHER"
    wait_for "seven" row_is livesport-pair pair "127.0.0.2 group:livesport" 6/32 6/7
    ticker 127.0.0.2 p2.livesport.example
    sed -i 's/^streams = 7/streams = 2/' policies/limits.toml
    equal "tether reload" 0 "$(status_of "$TETHER_BIN" reload --admin "$ADMIN")"
    says out 'reloaded: generation 3'
    row_is livesport-pair pair "127.0.0.2 group:livesport" 7/32 7/2
    equal "an eighth" 429 "$(another_ticker 127.0.0.2 p1.livesport.example)"
    leave
}

# === Who closed what ===

check_why_it_ended() {
    ticker_rules
    start_with_tickers
    HELD=()
    ticker 127.0.0.2 p1.livesport.example
    leave
    wait_for "a line of the log" logged 1 '"reason":"client_'
    local id
    id=$(sed -n 's/.*"id":"\([^"]*\)".*"reason":"client_.*/\1/p' access.log)
    equal "explain-close" 0 "$(status_of "$TETHER_BIN" explain-close "$id" --admin "$ADMIN")"
    says out 'The client closed first'
    says out "http from 127.0.0.2:"
    mv out explained
    equal "streams why" 0 "$(status_of "$TETHER_BIN" streams why "$id" --admin "$ADMIN")"
    equal "streams why is the same" "$(cat explained)" "$(cat out)"
    equal "nobody knows" 1 "$(status_of "$TETHER_BIN" explain-close 4711 --admin "$ADMIN")"
    says err 'nothing with the id 4711 has ended lately'
}
