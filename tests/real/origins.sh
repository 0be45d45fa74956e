# The origins: a Python one that does what it is asked for, nginx, HAProxy.
# shellcheck shell=bash

# Starts peers/origin.py; sets ORIGIN to its host:port. Arguments go to it.
start_origin() {
    needs python3
    python3 "$PEERS/origin.py" --directory "$WORK" "$@" >origin.port 2>origin.err &
    STARTED+=($!)
    wait_for "the origin is up" test -s origin.port
    ORIGIN=127.0.0.1:$(cat origin.port)
}

# Starts peers/live.py; sets ORIGIN.
start_live_origin() {
    needs python3
    python3 "$PEERS/live.py" >live.port 2>live.err &
    STARTED+=($!)
    wait_for "the live origin is up" test -s live.port
    ORIGIN=127.0.0.1:$(cat live.port)
}

accepts() { # HOST:PORT
    (exec 3<>"/dev/tcp/${1%:*}/${1##*:}")
}

# Starts peers/keeper.py, a trap for kept connections; sets ORIGIN. INSIDE: what runs it, where that is elsewhere.
start_keeper() { # TRAP [OPTIONS...]
    needs python3
    ${INSIDE:-} python3 "$PEERS/keeper.py" "$@" >keeper.port 2>keeper.err &
    STARTED+=($!)
    wait_for "the origin is up" test -s keeper.port
    ORIGIN=127.0.0.1:$(cat keeper.port)
}

# Starts nginx on www/; sets ORIGIN. It ends every kept connection after 50 requests, or does what is said instead. LOCATIONS:
# more for its server.
start_nginx() { # [LINES OF CONFIGURATION]
    needs nginx
    mkdir -p www nginx
    ORIGIN=127.0.0.1:$(free_port)
    cat >nginx.conf <<CONF
daemon off;
master_process off;
$( ((EUID == 0)) && echo "user root;")
pid $WORK/nginx/pid;
error_log $WORK/nginx/error.log warn;
events { worker_connections 512; }
http {
    access_log off;
    sendfile on;
    default_type application/octet-stream;
    ${1-keepalive_requests 50;}
    client_body_temp_path $WORK/nginx;
    proxy_temp_path $WORK/nginx;
    fastcgi_temp_path $WORK/nginx;
    uwsgi_temp_path $WORK/nginx;
    scgi_temp_path $WORK/nginx;
    server { listen $ORIGIN; root $WORK/www; ${LOCATIONS:-} }
}
CONF
    nginx -p "$WORK" -e "$WORK/nginx/error.log" -c "$WORK/nginx.conf" &
    STARTED+=($!)
    wait_for "nginx is up" accepts "$ORIGIN"
}

# Starts HAProxy as an origin that answers everything itself; sets ORIGIN. It keeps a silent connection for 20 ms, or
# does what is said instead.
start_haproxy() { # [LINES OF CONFIGURATION]
    needs haproxy
    ORIGIN=127.0.0.1:$(free_port)
    cat >haproxy.cfg <<CONF
global
    maxconn 256
defaults
    mode http
    timeout client 50s
    timeout http-request 50s
    ${1-timeout http-keep-alive 20ms}
frontend origin
    bind $ORIGIN
    http-request return status 200 content-type text/plain string "hello"
CONF
    haproxy -db -f haproxy.cfg 2>haproxy.err &
    STARTED+=($!)
    wait_for "HAProxy is up" accepts "$ORIGIN"
}
