# Files of every size and framing through c-icap with ClamAV: what is clean arrives byte for byte, what is infected never does.
# shellcheck shell=bash

# nginx does not know how long it will be what it has looked through for its own directives.
FRAMINGS='
    types { text/plain txt; text/html html; application/json json; application/x-msdownload exe; application/pdf pdf; image/jpeg jpg; }
    location /chunked/ { ssi on; ssi_types *; }
    location /close/ { ssi on; ssi_types *; chunked_transfer_encoding off; }'

# Larger than what is scanned whole where nobody says otherwise.
whole_to_64_mib() {
    mkdir -p policies
    printf '[[rule]]\nname = "all"\ndestination = "*"\nmax_body = "64MiB"\n' >policies/inspect.toml
}

files_through_clamav() { # COUNT
    needs nginx && needs python3
    start_scanner
    python3 "$PEERS/files.py" write www "$1"
    LOCATIONS=$FRAMINGS start_nginx
    local framing
    for framing in "length:^content-length: 1" "chunked:^transfer-encoding: chunked" "close:^connection: close"; do
        curl -sS -D - -o got "http://$ORIGIN/$(cd www && ls -d "${framing%%:*}"/[012].*)" | grep -qi "${framing#*:}" || fail "nginx frames ${framing%%:*} in another way"
    done
    whole_to_64_mib
    start_scanning '"av"' $'[limits]\nmode = "off"'
    python3 "$PEERS/files.py" fetch www "$PROXY" "$ORIGIN" "$1" >sums 2>wrong || fail "the clients broke: $(tail -n 1 wrong)"
    measured "$1 files: $(head -n 1 wrong)"
    local infected=$(($1 / 50))
    equal "files; $(sed -n 2,6p wrong | paste -sd ';')" "$(($1 - infected)) arrived, $infected stopped, 0 wrong" "$(cat sums)"
    wait_for "nothing is held" nothing_held
    nothing_left
}

nothing_held() {
    [[ $(metric 'tether_scan_bytes_held{where="memory"}') == 0 && $(metric 'tether_scan_bytes_held{where="disk"}') == 0 ]] &&
        [[ $(metric 'tether_icap_open{service="av"}') == 0 && $(metric tether_scan_bodies_held) == 0 ]]
}

check_files_through_clamav() {
    files_through_clamav 600
}

check_many_files_through_clamav() {
    files_through_clamav 10000
}

# A slow one: a few bytes go out meanwhile, and no more than those if something is found in it.
slow_file() { # FILE
    rm -f slow.release got
    "${VIA[@]}" -N -o got "http://$ORIGIN/slow/$1" 2>curl.err &
    local client=$!
    wait_for "a few bytes of $1 came" test -s got
    touch slow.release
    CODE=0
    wait "$client" || CODE=$?
}

check_slow_files_through_clamav() {
    start_scanner
    start_origin
    start_tether "[inspect]
default = [\"av\"]
trickle_after = \"1s\"
[icap.av]
urls = [\"$SCANNER\"]"
    head -c 2000000 /dev/urandom >clean
    { cat clean && eicar; } >infected
    slow_file clean
    equal "curl, of a clean one" 0 "$CODE"
    cmp got clean || fail "it is not what it was"
    slow_file infected
    # Cut: the end of it never comes (18), or the connection is reset (56).
    [[ $CODE == 18 || $CODE == 56 ]] || fail "curl's status is $CODE: $(cat curl.err)"
    local came
    came=$(stat -c %s got)
    ((came >= 4096 && came <= 4096 + 2000068 / 1000)) || fail "$came bytes came"
    measured "$came of 2000068 bytes went out"
    wait_for "it is in the log" logged 1 '"reason":"content_cut"'
    nothing_left
}
