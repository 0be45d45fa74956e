# curl's everyday requests: bodies both ways, HEAD, keep-alive, gzip, redirects, a name, an origin that is not there.
# shellcheck shell=bash

check_get() {
    start_origin && start_tether
    equal "body" hello "$(through "http://$ORIGIN/hello")"
    equal "body by name" hello "$(through "http://origin.example:${ORIGIN##*:}/hello")"
    equal "HTTP/1.0" hello "$(through --http1.0 "http://$ORIGIN/hello")"
    nothing_left
    wait_for "three lines in the access log" logged 3 '"status":200,.*"reason":"done"'
}

check_post_with_expect_continue() {
    start_origin && start_tether
    head -c 3000000 /dev/urandom >body
    local expected
    expected="$(sha256sum <body | cut -d ' ' -f 1) 3000000 expect=100-continue"
    local answer
    answer=$(through --expect100-timeout 30 -H 'Expect: 100-continue' --data-binary @body -v "http://$ORIGIN/digest" 2>trace)
    equal "what the origin got" "$expected" "$answer"
    grep -q '^< HTTP/1.1 100 ' trace || fail "no 100 came before the body"
    nothing_left
}

check_chunked_upload() {
    start_origin && start_tether
    head -c 2000000 /dev/urandom >body
    local answer
    answer=$(through -T - -H 'Transfer-Encoding: chunked' -H 'Expect:' "http://$ORIGIN/digest" <body)
    equal "what the origin got" "$(sha256sum <body | cut -d ' ' -f 1) 2000000 expect=" "$answer"
    nothing_left
}

check_chunked_download() {
    start_origin && start_tether
    through "http://$ORIGIN/chunked?chunks=1000" >body
    equal "bytes" 1000000 "$(stat -c %s body)"
    equal "digest" "$(sha256sum <chunked.sent)" "$(sha256sum <body)"
    nothing_left
}

check_head() {
    start_origin && start_tether
    through -I "http://$ORIGIN/hello" "http://$ORIGIN/hello" -w '%{num_connects} new\n' >heads
    equal "lengths" 2 "$(grep -c '^Content-Length: 6' heads)"
    equal "connections" "1 new 0 new" "$(grep ' new' heads | xargs)"
    nothing_left
}

check_keep_alive() {
    start_origin && start_tether
    through -w '%{http_code} %{num_connects}\n' -o /dev/null "http://$ORIGIN/hello?[1-100]" >codes
    equal "good answers" 100 "$(grep -c '^200 ' codes)"
    equal "connections of curl" 1 "$(awk '{ sum += $2 } END { print sum }' codes)"
    equal "clients accepted" 1 "$(metric tether_client_accepts_total)"
    equal "upstream connections" 1 "$(metric tether_upstream_connections_opened_total)"
    nothing_left
}

check_gzip() {
    start_origin && start_tether
    equal "body" "hello, compressed" "$(through --compressed "http://$ORIGIN/gzip")"
    through "http://$ORIGIN/gzip" | gzip -t || fail "the compressed body was touched"
    nothing_left
}

check_redirects() {
    start_origin && start_tether
    equal "body" hello "$(through -L --max-redirs 3 "http://$ORIGIN/redirect?times=3")"
    nothing_left
}

check_error_pages() {
    start_tether
    local gone
    gone=$(free_port)
    equal "nobody listens" 502 "$(through -o page -D heads -w '%{http_code}' -H 'Accept: text/html' "http://127.0.0.1:$gone/")"
    grep -qi '^proxy-status: tether; error=' heads || fail "no Proxy-Status"
    grep -q '<html' page || fail "no page in HTML"
    equal "JSON" 502 "$(through -H 'Accept: application/json' "http://127.0.0.1:$gone/" | sed 's/.*"status":\([0-9]*\).*/\1/')"
    equal "refused address" 403 "$(through -o /dev/null -w '%{http_code}' "http://10.0.0.1/")"
    through -D heads -o /dev/null "http://$ADMIN/metrics"
    grep -qi '^proxy-status: tether; error=proxy_loop_detected' heads || fail "our own port: $(cat heads)"
    equal "tunnel to nobody" 502 "$(through -p -o /dev/null -w '%{http_connect}' "http://127.0.0.1:$gone/" 2>/dev/null || true)"
    nothing_left
}
