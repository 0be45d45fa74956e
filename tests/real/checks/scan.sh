# Files through `tether scan`: what is found, what is clean, what cannot be scanned.
# shellcheck shell=bash

# The test file of virus scanners, in two parts so that no scanner takes this script for it.
eicar_file() { # FILE
    printf '%s%s' 'X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-' 'STANDARD-ANTIVIRUS-TEST-FILE!$H+H*' >"$1"
}

check_scan_finds() {
    eicar_file plain.com
    { head -c 3000000 /dev/urandom && cat plain.com; } >late.bin
    gzip -kc late.bin >late.gz
    local file
    for file in plain.com late.bin late.gz; do
        equal "$file" 1 "$(status_of "$TETHER_BIN" scan "$file")"
        says out "$file: blocked: rule \`eicar\`, by builtin"
    done
    equal "a pipe" 1 "$(cat late.gz | status_of "$TETHER_BIN" scan -)"
    says out '-: blocked: rule `eicar`, by builtin'
}

check_scan_clean() {
    echo hello >hello.txt
    gzip -kc hello.txt >hello.gz
    : >empty
    # More than may be held in memory: the limit is on the address space.
    truncate -s 1G big.bin
    equal "clean files" 0 "$(ulimit -v 524288 && status_of "$TETHER_BIN" scan hello.txt hello.gz empty big.bin)"
    says out 'big.bin: clean; 1073741824 bytes'
    equal "lines" 4 "$(wc -l <out)"
    equal "nothing is left" "" "$(compgen -G "${TMPDIR:-/tmp}/tether-scan-*" || true)"
}

check_scan_unreadable() {
    mkdir folder
    echo hello >hello.txt
    equal "with files that cannot be read" 1 "$(status_of "$TETHER_BIN" scan absent folder hello.txt)"
    says out 'absent: not scanned: No such file or directory'
    says out 'folder: not scanned: it is a directory'
    says out 'hello.txt: clean; 6 bytes'
    printf '[icap.av]\nurls = "icap://127.0.0.1:%s/x"\n' "$(free_port)" >tether.toml
    equal "nobody listens" 1 "$(status_of "$TETHER_BIN" scan -c tether.toml --with av hello.txt)"
    says out 'hello.txt: not scanned: av: it refuses connections or cannot be reached'
    printf '[inspect]\ndefault = ["av"]\n' >tether.toml
    equal "no such service" 78 "$(status_of "$TETHER_BIN" scan -c tether.toml hello.txt)"
    equal "no such scanner" 2 "$(status_of "$TETHER_BIN" scan --with av hello.txt)"
}
