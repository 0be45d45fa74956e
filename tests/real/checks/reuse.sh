# Kept connections to real servers that close them when they like: no client may notice.
# shellcheck shell=bash

# Four clients with 500 GETs each.
two_thousand_gets() {
    local clients=() client
    for client in 1 2 3 4; do
        "${VIA[@]}" --max-time 100 -o /dev/null -w '%{http_code}\n' "http://$ORIGIN/small?[1-500]" >"codes.$client" 2>"errors.$client" &
        clients+=($!)
        STARTED+=($!)
    done
    for client in "${clients[@]}"; do
        wait "$client" || fail "a client failed: $(cat errors.*)"
    done
    equal "answers" "2000 200" "$(sort codes.* | uniq -c | xargs)"
    nothing_left
}

check_nginx_keep_alive() {
    start_nginx
    echo hello >www/small
    start_tether
    two_thousand_gets
    # nginx ends a connection after 50 requests, so most of them found one that was open.
    (($(metric tether_upstream_reused_total) > 1500)) || fail "reused $(metric tether_upstream_reused_total) times only"
}

check_haproxy_keep_alive() {
    start_haproxy && start_tether
    two_thousand_gets
    (($(metric tether_upstream_reused_total) > 1500)) || fail "reused $(metric tether_upstream_reused_total) times only"
    # Pauses as long as HAProxy waits: it closes while the next request is on its way.
    local options=(-o /dev/null -w '%{http_code}\n' --rate 50/s)
    through "${options[@]}" "http://$ORIGIN/?[1-200]" >codes 2>errors || fail "a client failed: $(cat errors)"
    equal "answers at the edge of its time-out" "200 200" "$(sort codes | uniq -c | xargs)"
}
