# Files scanned by c-icap with ClamAV, as whoever sets a scanner up would try it first.
# shellcheck shell=bash

check_scan_with_clamav() {
    "$TETHER_BIN" scan --help >/dev/null 2>&1 || skip "this program scans no files"
    start_scanner
    printf '[icap.av]\nurls = ["%s"]\n[inspect]\ndefault = ["av"]\n' "$SCANNER" >tether.toml
    eicar >infected
    head -c 5000 /dev/urandom >clean
    { head -c 3145728 /dev/urandom && eicar; } >late
    : >empty
    TETHER_CONFIG=$WORK/tether.toml "$TETHER_BIN" scan clean empty >told 2>&1 || fail "clean files: $(cat told)"
    local file
    for file in infected late; do
        if TETHER_CONFIG=$WORK/tether.toml "$TETHER_BIN" scan "$file" >told 2>&1; then fail "$file: $(cat told)"; fi
        grep -q Eicar-Test told || fail "$file: no name of what was found: $(cat told)"
    done
}

seen_by_c_icap() {
    grep -q "$1" scanner/access.log
}

# c-icap's echo lets everything pass: what it is shown stands in its log.
check_scan_tunnels_by_c_icap() {
    start_scanner
    start_tether "[inspect]
default = [\"echo\"]
[icap.echo]
urls = [\"${SCANNER%/*}/echo\"]
methods = [\"REQMOD\"]"
    start_nginx
    head -c 300000 /dev/urandom >www/file
    local expected
    expected=$(sha256sum <www/file)
    equal "through a tunnel" "$expected" "$(through --proxytunnel "http://$ORIGIN/file" | sha256sum)"
    wait_for "the log has it" logged 1 '"verdict":"unscanned","unscanned":"tunnel"'
    wait_for "c-icap was shown a CONNECT" seen_by_c_icap 'REQMOD echo'
    equal "shown to c-icap" 1 "$(metric 'tether_icap_transactions_total{service="echo",method="REQMOD",outcome="clean"}')"
    kill_c_icap
    local code
    code=$(through --proxytunnel -o got -w '%{http_connect}' "http://$ORIGIN/file" 2>curl.err || true)
    equal "with nobody to ask" 503 "$code"
    nothing_left
}
