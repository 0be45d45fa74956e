# The command line: exit statuses, and what an operator is told.
# shellcheck shell=bash

status_of() { # COMMAND...
    local code=0
    "$@" >out 2>err || code=$?
    echo "$code"
}

says() { # FILE TEXT
    grep -qF -- "$2" "$1" || fail "'$2' is not in: $(cat "$1")"
}

check_wrong_configuration() {
    printf '%s\n' '[admin]' 'bnid = "127.0.0.1:9128"' '[destinations]' 'allow = ["127.0.0.0/33"]' >wrong.toml
    local command
    for command in run check; do
        equal "$command" 78 "$(status_of "$TETHER_BIN" "$command" -c wrong.toml)"
        says err 'wrong.toml:2:1'
        says err 'did you mean `bind`?'
        says err 'wrong.toml:4:'
    done
    equal "no such file" 78 "$(status_of "$TETHER_BIN" run -c absent.toml)"
    says err absent.toml
    equal "wrong usage" 2 "$(status_of "$TETHER_BIN" run --no-such-flag)"
}

check_good_configuration() {
    write_config
    equal "check" 0 "$(status_of "$TETHER_BIN" check -c tether.toml)"
    "$TETHER_BIN" config default | "$TETHER_BIN" check -c /dev/stdin || fail "our own default is not good"
    equal "show" 0 "$(status_of "$TETHER_BIN" config show -c tether.toml)"
    says out 'origin.example'
    equal "what is shown is good" 0 "$(status_of "$TETHER_BIN" check -c out)"
}

check_port_in_use() {
    start_tether
    # The second asks for the port that the first has.
    sed "s|^bind = \"127.0.0.1:0\"\$|bind = \"$PROXY\"|" tether.toml >second.toml
    equal "both on one port" 78 "$(status_of "$TETHER_BIN" run -c second.toml)"
    sed "0,/127.0.0.1:0/! s|127.0.0.1:0|$PROXY|" tether.toml >second.toml
    equal "proxy port" 1 "$(status_of timeout 20 "$TETHER_BIN" run -c second.toml)"
    says err "cannot listen on $PROXY"
    sed "0,/127.0.0.1:0/ s|127.0.0.1:0|$ADMIN|" tether.toml >second.toml
    equal "admin port" 1 "$(status_of timeout 20 "$TETHER_BIN" run -c second.toml)"
    says err "cannot listen on $ADMIN"
    nothing_left
}

check_client_commands() {
    start_tether
    equal "health" 0 "$(status_of "$TETHER_BIN" health --admin "$ADMIN")"
    equal "streams" 0 "$(status_of "$TETHER_BIN" streams --json --admin "$ADMIN")"
    says out '"total":0'
    kill -KILL "$TETHER"
    wait_for "tether has ended" has_ended "$TETHER"
    equal "health of nobody" 69 "$(status_of "$TETHER_BIN" health --admin "$ADMIN")"
}
