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

check_long_tickers_through_clamav() {
    tickers_through_clamav 500 30
}

check_long_tickers_through_a_late_scanner() {
    tickers_through_a_late_scanner 500 30
}
