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
