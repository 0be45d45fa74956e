# Chromium with the proxy as its only way out: a page with 20 parts, an event stream and a WebSocket, in HTTP and HTTPS.
# shellcheck shell=bash

# Loads a page of the origin; what it has become is printed, a picture of it goes to page.png.
browse() { # URL
    needs chromium
    timeout 90 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir="$WORK/profile" \
        --proxy-server="http://$PROXY" --proxy-bypass-list='<-loopback>' --ignore-certificate-errors \
        --virtual-time-budget=20000 --screenshot="$WORK/page.png" --dump-dom "$1" 2>chromium.err
}

load_page() { # SCHEME
    browse "$1://origin.example:${ORIGIN##*:}/page" >dom.html
    grep -o '<p id="result">[^<]*' dom.html >result || fail "no result: $(head -c 300 dom.html)"
    equal "the page" '<p id="result">parts=20 events=3 echoes=5' "$(cat result)"
    equal "what it told the origin" 'parts=20 events=3 echoes=5' "$(cat report)"
    # A picture of nothing is smaller.
    (($(stat -c %s page.png) > 2000)) || fail "the picture is empty"
    nothing_left
}

check_browser_http() {
    needs chromium
    start_origin && start_tether
    load_page http
    wait_for "every part came through the proxy" logged 20 '"url":"[^"]*/part/'
}

# As it is installed, the proxy scans: events still flow, and what is found becomes a page.
check_browser_is_told() {
    needs chromium
    start_origin && start_tether
    load_page http
    (($(metric 'tether_scans_total{mode="window"}') > 0)) || fail "nobody saw the events: $(admin /metrics | grep scan)"
    eicar >eicar.txt
    browse "http://origin.example:${ORIGIN##*:}/file/eicar.txt" >dom.html
    says dom.html '403 Forbidden'
    no_eicar_in dom.html
    wait_for "it is in the log" logged 1 '"url":"[^"]*/file/eicar.txt".*"status":403.*"reason":"content_blocked"'
    nothing_left
}

check_browser_https() {
    needs chromium && needs openssl
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=origin.example \
        -addext subjectAltName=DNS:origin.example -keyout key.pem -out cert.pem 2>openssl.err
    start_origin --tls && start_tether
    load_page https
    wait_for "a tunnel was asked for" grep -q '"method":"CONNECT"' access.log
}

# A file that somebody goes to: the page shows how far it is, and the browser saves it once it is scanned. PICTURE: of the page.
download() { # FILE WORDS
    rm -f slow.release
    timeout 90 python3 "$PEERS/download.py" --proxy "$PROXY" --directory "$WORK/saved" --profile "$WORK/profile" --release slow.release \
        --picture "$WORK/page.png" --words "$2" "http://origin.example:${ORIGIN##*:}/slow/$1" >told 2>chromium.err ||
        fail "$(cat told) $(tail -n 3 chromium.err)"
}

check_browser_downloads() {
    needs chromium && needs python3
    start_origin
    start_tether '[inspect]
while_held = "page"
trickle_after = "1s"'
    head -c 3000000 /dev/urandom >clean.bin
    { head -c 2000000 /dev/urandom && eicar && head -c 70000 /dev/urandom; } >infected.bin
    download clean.bin 'nothing harmful was found'
    (($(stat -c %s page.png) > 2000)) || fail "the picture is empty"
    wait_for "it is saved" cmp saved/clean.bin clean.bin
    wait_for "the page and the file are in the log" logged 2 '/clean.bin".*"scan":"whole","verdict":"clean"'
    download infected.bin 'found something harmful'
    [[ ! -e saved/infected.bin ]] || fail "an infected file was saved"
    wait_for "it is in the log" logged 1 '/infected.bin".*"reason":"content_blocked"'
    nothing_left
}
