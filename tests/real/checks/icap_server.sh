# Our filter behind other programs that speak ICAP: Squid in front of it, and c-icap's client.
# shellcheck shell=bash

# Starts the proxy with an ICAP port; sets FILTER to its host:port.
start_filter() {
    start_tether $'[[icap_server]]\nbind = "127.0.0.1:0"'
    FILTER=$(logged_address 'ICAP server listening')
}

# Starts Squid with our filter behind it; sets SQUID and BY_SQUID: curl through it.
start_squid() {
    needs squid
    SQUID=127.0.0.1:$(free_port)
    mkdir -p squid
    cat >squid.conf <<CONF
http_port $SQUID
visible_hostname squid.example
http_access allow all
cache deny all
cache_mem 8 MB
pid_filename $WORK/squid/pid
coredump_dir $WORK/squid
cache_log $WORK/squid/cache.log
access_log none
icap_log stdio:$WORK/squid/icap.log
icap_enable on
icap_preview_enable on
adaptation_send_client_ip on
icap_service req reqmod_precache icap://$FILTER/reqmod bypass=0
icap_service resp respmod_precache icap://$FILTER/respmod bypass=0
adaptation_access req allow all
adaptation_access resp allow all
shutdown_lifetime 1 seconds
CONF
    # It gives up its rights and has to reach its files all the same.
    chmod o+x "$WORK/.." && chmod 755 "$WORK" && chmod 777 squid
    squid -N -f "$WORK/squid.conf" >squid.out 2>&1 &
    STARTED+=($!)
    wait_for "Squid is up" accepts "$SQUID"
    BY_SQUID=(curl -sS --max-time 20 -x "http://$SQUID")
}

# The count of transactions of one kind: judged METHOD OUTCOME
judged() {
    metric "tether_icap_server_transactions_total{method=\"$1\",outcome=\"$2\"}"
}

# Seconds and hundredths to the first event of a ticker through Squid: first_event URL EVENT
first_event() {
    local began=${EPOCHREALTIME/[.,]/}
    "${BY_SQUID[@]}" -N "$1" >ticker.got 2>ticker.err &
    CLIENT=$!
    STARTED+=("$CLIENT")
    wait_for "the first event" grep -q "$2" ticker.got
    MILLIS=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
}

no_icap_streams() {
    [[ $(metric tether_icap_server_stream_transactions) == 0 ]]
}

check_squid_lets_tickers_flow() {
    start_origin && start_filter && start_squid
    first_event "http://$ORIGIN/events" 'event 2'
    ((MILLIS < 2000)) || fail "a declared ticker took $MILLIS ms"
    equal "left alone on its head" 1 "$(judged RESPMOD stream_passed)"
    kill "$CLIENT"
    first_event "http://$ORIGIN/scores" 'goal 0'
    ((MILLIS < 2000)) || fail "an undeclared ticker took $MILLIS ms"
    wait_for "another event" grep -q 'goal 2' ticker.got
    equal "streams that go back" 1 "$(metric tether_icap_server_stream_transactions)"
    equal "bytes held" 0 "$(metric tether_icap_server_held_bytes)"
    kill "$CLIENT"
    wait_for "the transaction has ended with its client" no_icap_streams
}

check_squid_keeps_what_is_bad_from_its_clients() {
    start_filter && start_squid
    start_nginx
    eicar >www/infected
    gzip -c www/infected >www/infected.gz
    { head -c 2000000 /dev/urandom && eicar; } >www/late
    equal "a small file" 403 "$("${BY_SQUID[@]}" -o got -w '%{http_code}' "http://$ORIGIN/infected")"
    grep -q 'rule "eicar"' got || fail "not our page: $(cat got)"
    # A part of it may be out when the mark is found; it must not look whole, and the mark is not in it.
    if "${BY_SQUID[@]}" "http://$ORIGIN/late" >got 2>curl.err; then fail "a late mark went unnoticed"; fi
    if grep -aqF "$(eicar)" got; then fail "the mark came through"; fi
    equal "an upload" 403 "$("${BY_SQUID[@]}" -o got -w '%{http_code}' --data-binary @www/infected "http://$ORIGIN/x")"
    grep '"outcome":"blocked"' access.log | grep '"threat":"eicar"' | grep -q '"client":"127.0.0.1"' ||
        fail "no line tells what was blocked, and for whom: $(cat access.log)"
}

check_squid_cuts_an_infected_ticker() {
    start_origin && start_filter && start_squid
    eicar >infected
    local code=0
    "${BY_SQUID[@]}" -N "http://$ORIGIN/scores?then=infected" >got 2>curl.err || code=$?
    ((code != 0)) || fail "the ticker ended as if it were whole"
    grep -q 'goal 0' got || fail "no event came: $(cat got)"
    if grep -aqF "$(eicar)" got; then fail "the mark came through"; fi
    equal "cut" 1 "$(judged RESPMOD cut)"
}

check_squid_passes_files_byte_for_byte() {
    start_filter && start_squid
    start_nginx
    local size expected got
    # Squid waits for a word from us after 65535 bytes: none of these may take long.
    for size in 0 1 49152 49153 65535 65536 300000 5000000; do
        head -c "$size" /dev/urandom >"www/$size"
        expected=$(sha256sum <"www/$size")
        got=$("${BY_SQUID[@]}" "http://$ORIGIN/$size" | sha256sum)
        equal "$size bytes" "$expected" "$got"
    done
    equal "blocked" "" "$(judged RESPMOD blocked || true)"
    wait_for "nothing is held" equal "bytes held" 0 "$(metric tether_icap_server_held_bytes)"
}

# c-icap-client on a file: ask_filter FILE [OPTIONS...]; what it says goes to said, what comes back to got.
ask_filter() {
    local file=$1
    shift
    rm -f got
    c-icap-client -i "${FILTER%:*}" -p "${FILTER##*:}" -f "$file" -o got -v "$@" >said 2>&1 || true
}

check_c_icap_client() {
    needs c-icap-client
    start_filter
    eicar >infected
    head -c 5000 /dev/urandom >small
    head -c 3000000 /dev/urandom >large
    c-icap-client -i "${FILTER%:*}" -p "${FILTER##*:}" -s respmod >said 2>&1 || true
    grep -q 'Preview: 0' said || fail "OPTIONS: $(cat said)"
    local file
    for file in small large; do
        ask_filter "$file" -s respmod -resp http://o.test/x
        grep -q 'Allow 204' said || grep -q '204' said || fail "$file: $(tail -n 5 said)"
        ask_filter "$file" -s respmod -resp http://o.test/x -no204 -nopreview
        cmp "$file" got || fail "$file did not come back as it was: $(tail -n 5 said)"
    done
    ask_filter infected -s respmod -resp http://o.test/x
    grep -q 'Threat=eicar' said || fail "infected: $(cat said)"
    grep -q 'rule "eicar"' got || fail "no page: $(cat got)"
    ask_filter infected -s reqmod -req http://o.test/x -nopreview
    grep -q 'Threat=eicar' said || fail "an infected upload: $(cat said)"
}
