# Traffic through the scanners: live tickers that must not wait for them, and what is found in streams and uploads.
# shellcheck shell=bash

# Starts the proxy with these scanners, the ICAP service "av" among them where it is named. MORE: more lines for `[icap.av]`.
start_scanning() { # SCANNERS [LINES...]
    local scanners=$1
    shift
    start_tether "[inspect]
default = [$scanners]
[icap.av]
urls = [\"$SCANNER\"]
methods = [\"RESPMOD\", \"REQMOD\"]
${MORE:-}
$*"
}

figure() { # NAME
    python3 -c 'import json, sys; print(json.load(open("figures"))[sys.argv[1]])' "$1"
}

# === Tickers of four kinds ===

# Bounds are for a busy machine; what was measured is shown.
watch_tickers() { # COUNT SECONDS
    python3 "$PEERS/audience.py" "$PROXY" "$ADMIN" "$ORIGIN" "$1" "$2" >figures 2>audience.err ||
        fail "the audience broke: $(tail -n 1 audience.err)"
    measured "$1 tickers: $(cat figures)"
    equal "tickers that failed: $(figure first_wrong)" 0 "$(figure wrong)"
    (($(figure fewest) >= 2)) || fail "a ticker stood still: $(cat figures)"
    local kind
    for kind in sse mixed poll; do figure_is_below "${kind}_ms" 1000; done
    figure_is_below chunks_ms 3000
    figure_is_below oldest_s 2
    equal "left: $(figure left)" 0 "$(figure orphans_seen)"
    figure_is_below gone_s 3
    nothing_left
}

tickers_through_clamav() { # COUNT SECONDS
    start_scanner
    start_live_origin
    start_scanning '"builtin", "av"' $'[limits]\nmode = "off"'
    watch_tickers "$@"
    (($(figure windows) > 0)) || fail "the scanner saw no stream: $(cat figures)"
}

tickers_through_a_late_scanner() { # COUNT SECONDS
    start_late_scanner
    start_live_origin
    start_scanning '"av"' $'[limits]\nmode = "off"'
    watch_tickers "$@"
    (($(cat messages) > $1)) || fail "the scanner saw $(cat messages) messages"
    measured "the scanner's own longest wait for a body: $(cat slowest) s"
    python3 -c 'import sys; sys.exit(not float(open("slowest").read()) < 2)' || fail "a body took $(cat slowest) s"
}

check_tickers_through_clamav() {
    tickers_through_clamav 60 8
}

check_tickers_through_a_late_scanner() {
    tickers_through_a_late_scanner 60 8
}

check_many_tickers_through_clamav() {
    tickers_through_clamav 500 30
}

check_many_tickers_through_a_late_scanner() {
    tickers_through_a_late_scanner 500 30
}

# === What is found ===

# A stream that holds the test file from its third event on, cut in two: its client is cut, and nobody gets it again.
infected_stream() { # KIND
    local url
    url="http://$ORIGIN/$1/1?infected=$(eicar | od -An -v -tx1 | tr -d '\n' | tr ' ' '%')"
    local code=0
    through -N --max-time 30 -H 'Accept: text/event-stream' "$url" >stream 2>curl.err || code=$?
    ((code != 0 && code != 28)) || fail "$1: not cut, curl's status is $code: $(head -c 300 stream)"
    grep -q 'sent=' stream || fail "$1: nothing came before it: $(cat stream curl.err)"
    equal "$1: the same again" 403 "$(through -o page -w '%{http_code}' "$url")"
    nothing_left
}

no_eicar_in() { # FILE
    if grep -qF "$(eicar)" "$1"; then fail "the test file is in $1"; fi
}

check_found_in_a_stream() {
    start_scanner
    start_live_origin
    start_scanning '"builtin", "av"'
    local kind
    for kind in sse chunks; do
        infected_stream "$kind"
        # What this scanner sees it sees before it goes out.
        no_eicar_in stream
    done
    equal "streams in which something was found" 2 "$(metric tether_scan_blocked_urls)"
}

# A service sees a stream a little later than its client, and cuts it all the same.
check_found_in_a_stream_by_clamav() {
    start_scanner
    start_live_origin
    start_scanning '"av"'
    infected_stream sse
    wait_for "what was found is in the log" logged 1 '"reason":"content_cut".*'
    grep -q 'Eicar-Test' access.log || fail "no name of what was found: $(cat access.log)"
}

check_found_in_a_stream_that_waits_for_clamav() {
    start_scanner
    start_live_origin
    mkdir -p policies
    printf '[[rule]]\nname = "live"\ndestination = "*"\nstreams = "sync"\n' >policies/inspect.toml
    start_scanning '"av"'
    infected_stream sse
    no_eicar_in stream
}

# Writes the test file in each coding that a program is here for, below www/; CODED has the names.
coded_files() {
    mkdir -p www
    { head -c 200000 /dev/urandom | od -An -tx1 && eicar && head -c 50000 /dev/urandom | od -An -tx1; } >plain
    CODED=()
    gzip -c plain >www/infected.gz && CODED+=(gz)
    # The second member of two.
    { echo innocent | gzip && eicar | gzip; } >www/infected.members && CODED+=(members)
    if command -v brotli >/dev/null; then brotli -c plain >www/infected.br && CODED+=(br); fi
    if command -v zstd >/dev/null; then zstd -qc plain >www/infected.zst && CODED+=(zst); fi
    cp plain www/infected.txt && CODED+=(txt)
    gzip -c <<<"nothing at all" >www/clean.gz
}

CODINGS='
    location ~ \.(gz|members)$ { add_header Content-Encoding gzip always; }
    location ~ \.br$ { add_header Content-Encoding br always; }
    location ~ \.zst$ { add_header Content-Encoding zstd always; }'

is_blocked() { # URL [CURL OPTIONS...]
    local url=$1
    shift
    equal "$url" 403 "$(through -o page -w '%{http_code}' "$@" "$url" 2>curl.err || cat curl.err)"
    no_eicar_in page
}

check_found_in_codings() {
    coded_files
    LOCATIONS=$CODINGS start_nginx
    start_tether
    local name
    for name in "${CODED[@]}"; do is_blocked "http://$ORIGIN/infected.$name"; done
    equal "a clean one" "nothing at all" "$(through --compressed "http://$ORIGIN/clean.gz")"
    equal "blocked" "${#CODED[@]}" "$(metric 'tether_scan_verdicts_total{verdict="blocked"}')"
    nothing_left
}

# By the built-in scanner, then by ClamAV: in a small body, in one larger than what is held in memory, in one without a length.
uploads_are_blocked() {
    eicar >infected
    { head -c 3000000 /dev/urandom && eicar; } >late
    gzip -c infected >coded
    local url=http://$ORIGIN/upload
    is_blocked "$url" --data-binary @infected
    is_blocked "$url" -H 'Transfer-Encoding: chunked' --data-binary @late -H 'Expect:'
    is_blocked "$url" --data-binary @late
    is_blocked "$url" -F file=@infected
    head -c 3000000 /dev/urandom >clean
    equal "a clean upload" "$(sha256sum <clean | cut -d ' ' -f 1) 3000000 expect=" \
        "$(through --data-binary @clean -H 'Expect:' "$url")"
}

check_found_in_uploads() {
    start_origin
    start_tether
    uploads_are_blocked
    is_blocked "http://$ORIGIN/upload" -H 'Content-Encoding: gzip' --data-binary @coded
    nothing_left
}

check_found_in_uploads_by_clamav() {
    start_scanner
    start_origin
    start_scanning '"av"'
    uploads_are_blocked
    nothing_left
}

# === Scanners that die, disks that are full, an end in the middle ===

transactions() { # OUTCOME-PATTERN
    admin /metrics | awk -v want="$1" '/^tether_icap_transactions_total/ && $0 ~ want { sum += $2 } END { print sum + 0 }'
}

status_through() { # PATH
    through -o page -w '%{http_code}' "http://$ORIGIN$1"
}

passes() {
    [[ $(status_through /hello) == 200 ]]
}

# ClamAV stands still, so that c-icap is in the middle of a message when it dies.
die_in_the_middle() { # STATUS
    kill -STOP "$CLAMD"
    "${VIA[@]}" -o page -w '%{http_code}' "http://$ORIGIN/hello" >status 2>curl.err &
    local client=$!
    wait_for "c-icap has the message" is_open
    kill_c_icap
    kill -CONT "$CLAMD"
    ends_with "the client" "$client" 0
    equal "the answer" "$1" "$(cat status)"
}

is_open() {
    [[ $(metric 'tether_icap_open{service="av"}') == 1 ]]
}

check_scanner_dies() {
    start_scanner
    start_origin
    MORE='verdicts = "asked"' start_scanning '"av"'
    equal "before" 200 "$(status_through /hello)"
    die_in_the_middle 503
    says page '503 Service Unavailable'
    equal "nobody listens" 503 "$(status_through /hello)"
    wait_for "it is in the log" logged 2 '"status":503.*"reason":"scanner_failed"'
    run_c_icap
    wait_for "it is asked again" passes
    eicar >eicar.txt
    is_blocked "http://$ORIGIN/file/eicar.txt"
    nothing_left
}

check_scanner_dies_and_all_passes() {
    start_scanner
    start_origin
    MORE=$'on_failure = "pass"\nverdicts = "asked"' start_scanning '"av"'
    eicar >eicar.txt
    is_blocked "http://$ORIGIN/file/eicar.txt"
    die_in_the_middle 200
    equal "what came" hello "$(cat page)"
    equal "nobody listens" hello "$(through "http://$ORIGIN/hello")"
    wait_for "it is counted" test "$(metric 'tether_unscanned_bytes_total{reason="scanner_down"}')" -ge 12
    run_c_icap
    wait_for "it is asked again" blocks
    nothing_left
}

blocks() {
    [[ $(status_through /file/eicar.txt) == 403 ]]
}

# A disk of 1 MiB for what is held; it goes with the process.
with_a_small_disk() {
    ((EUID == 0)) || skip "needs root for a small disk"
    needs unshare
    mkdir spool
    cat >small_disk <<SH
#!/bin/sh
exec unshare -m sh -c 'mount -t tmpfs -o size=1m none "$WORK/spool" && exec "\$0" "\$@"' "$TETHER_BIN" "\$@"
SH
    chmod +x small_disk
    unshare -m mount -t tmpfs -o size=1m none spool 2>mount.err || skip "no small disk here: $(cat mount.err)"
    TETHER_BIN=$WORK/small_disk
    start_nginx
    head -c 5000000 /dev/urandom >www/large
    head -c 600000 /dev/urandom >www/fits
    echo hello >www/small
    if [[ ${1-} ]]; then
        mkdir -p policies
        printf '[[rule]]\nname = "all"\ndestination = "*"\non_overload = "%s"\n' "$1" >policies/inspect.toml
    fi
    start_tether "[inspect]
spool_dir = \"$WORK/spool\""
}

check_full_disk() {
    with_a_small_disk
    local turn
    for turn in 1 2 3; do
        equal "too large for the disk, time $turn" 503 "$(status_through /large)"
        says page 'There is no room to scan it now'
        through -o got "http://$ORIGIN/fits"
        cmp got www/fits || fail "time $turn: what has room does not arrive"
        equal "a page" hello "$(through "http://$ORIGIN/small")"
    done
    wait_for "it is in the log" logged 3 '"status":503.*"reason":"scan_overload"'
    equal "refusals" 3 "$(metric 'tether_scan_spool_refusals_total{why="disk"}')"
    equal "held on disk" 0 "$(metric 'tether_scan_bytes_held{where="disk"}')"
    nothing_left
}

# Three at once, so that even what would have room alone has none.
all_arrives() { # ACTION
    with_a_small_disk "$1"
    local name clients=()
    for name in large large fits; do
        "${VIA[@]}" -o "got.${#clients[@]}" "http://$ORIGIN/$name" &
        clients+=($!)
    done
    local number=0
    for name in large large fits; do
        wait "${clients[number]}" || fail "a download broke"
        cmp "got.$number" "www/$name" || fail "a download is not what it was"
        number=$((number + 1))
    done
    (($(metric 'tether_scan_spool_refusals_total{why="disk"}') > 0)) || fail "there was room for all"
    nothing_left
}

check_full_disk_and_all_passes() {
    all_arrives pass_unscanned
    (($(metric 'tether_unscanned_bytes_total{reason="overload"}') > 5000000)) || fail "not counted: $(admin /metrics | grep unscanned)"
}

check_full_disk_and_all_flows() {
    all_arrives window
    (($(metric 'tether_scan_handovers_total{reason="no_room"}') > 0)) || fail "not counted: $(admin /metrics | grep handovers)"
}

check_end_while_gathering() {
    start_origin
    mkdir spool
    start_tether "[inspect]
spool_dir = \"$WORK/spool\"
[timeouts]
drain = \"1s\""
    "${VIA[@]}" -o got -w '%{http_code}' "http://$ORIGIN/stalled" >status 2>curl.err &
    local client=$!
    wait_for "its bytes are on disk" on_disk
    { readlink "/proc/$TETHER/fd/"* || true; } | grep -q "^$WORK/spool/.*deleted" || fail "no file in the directory given"
    equal "files with names" "" "$(ls -A spool)"
    kill -INT "$TETHER"
    ends_with tether "$TETHER" 0
    local code=0
    wait "$client" || code=$?
    [[ $code != 0 || $(cat status) != 200 ]] || fail "the client took it for whole"
    equal "files left" "" "$(ls -A spool)"
}

on_disk() {
    (($(metric 'tether_scan_bytes_held{where="disk"}') > 0))
}
