# The proxy under test: starting it, asking its admin port, waiting for what must happen.
# shellcheck shell=bash

# Longest wait for anything that should happen soon, in tenths of a second: generous, the machine may be busy.
SOON=100

fail() {
    echo "$*" >"$WORK/why"
    echo "$*"
    exit 1
}

skip() {
    echo "$*"
    exit 77
}

# A figure worth a line although all is well: the runner shows it.
measured() {
    echo "measured: $*"
}

needs() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

equal() { # WHAT EXPECTED GOT
    [[ $2 == "$3" ]] || fail "$1: expected '$2', got '$3'"
}

# Waits until a command succeeds: wait_for WHAT COMMAND...
wait_for() {
    local what=$1 tries
    shift
    for ((tries = 0; tries < SOON; tries++)); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    fail "not within $((SOON / 10)) s: $what"
}

has_ended() {
    ! kill -0 "$1" 2>/dev/null
}

# Waits until a child has ended and compares its exit status: ends_with WHAT PID STATUS
ends_with() {
    local code=0
    wait_for "$1 has ended" has_ended "$2"
    wait "$2" || code=$?
    equal "exit status of $1" "$3" "$code"
}

# A port of loopback that nothing listens on, below those that the kernel gives to clients.
free_port() {
    local port
    while :; do
        port=$((10000 + RANDOM % 20000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}

# Writes tether.toml: any ports of loopback, what the checks need, then the lines given. HOSTS: more fixed names.
write_config() {
    cat >tether.toml <<TOML
workers = ${WORKERS:-2}
[admin]
bind = "127.0.0.1:0"
[[forward]]
name = "real"
bind = "${BIND:-127.0.0.1:0}"
[destinations]
allow = ["127.0.0.0/8", "198.18.0.0/16"]
connect_ports = "any"
[resolver.hosts]
"origin.example" = "127.0.0.1"
${HOSTS:-}
[log]
access = "$WORK/access.log"
$*
TOML
}

logged_address() { # MESSAGE
    grep "$1" tether.err | sed -n 's/.*"address":"\([^"]*\)".*/\1/p'
}

is_up() {
    has_ended "$TETHER" && fail "tether has ended: $(tail -n 1 tether.err)"
    [[ -n $(logged_address 'proxy listening') && -n $(logged_address 'admin listening') ]]
}

# Starts the proxy; sets TETHER (process id), PROXY and ADMIN (host:port), and VIA: curl through it.
start_tether() {
    write_config "$@"
    "$TETHER_BIN" run -c tether.toml >tether.out 2>tether.err &
    TETHER=$!
    STARTED+=("$TETHER")
    wait_for "tether is up" is_up
    PROXY=$(logged_address 'proxy listening')
    ADMIN=$(logged_address 'admin listening')
    VIA=(curl -sS --max-time 60 -x "http://$PROXY")
}

admin() {
    curl -sS --max-time 10 "http://$ADMIN$1"
}

# The value of one sample: metric 'tether_streams{kind="tunnel"}'
metric() {
    admin /metrics | awk -v name="$1" 'substr($0, 1, length(name) + 1) == name " " { print $2; found = 1 } END { exit !found }'
}

logged() { # COUNT PATTERN: exactly so many lines of the access log match
    [[ $(grep -c -- "$2" access.log) == "$1" ]]
}

no_streams() {
    [[ $(admin /api/v1/streams) == '{"streams":[],"total":0}' ]]
}

# Every client is gone: so must be all that was opened for them.
nothing_left() {
    wait_for "no stream is left" no_streams
    equal "upstream connections left" 0 "$(metric tether_upstream_connections)"
    equal "orphans" 0 "$(metric tether_orphan_upstreams)"
    equal "panics" 0 "$(metric tether_task_panics_total)"
}

# curl through the proxy; in the background "${VIA[@]}" instead, so that $! is curl.
through() {
    "${VIA[@]}" "$@"
}
