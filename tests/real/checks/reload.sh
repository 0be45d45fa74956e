# SIGHUP: files that were changed hold without a restart, and bad ones change nothing.
# shellcheck shell=bash

limit_of_sources() { # EXCHANGES
    printf '[[limit]]\nname = "sources"\nper = "source"\nexchanges = %s\n' "$1" >policies/limits.toml
}

in_force() { # EXCHANGES
    admin '/api/v1/limits?rule=sources' | grep -q "\"exchanges\":$1,\"streams\":null"
}

reloads() { # RESULT COUNT
    [[ $(metric "tether_config_reloads_total{result=\"$1\"}") == "$2" ]]
}

check_hangup_reloads() {
    mkdir policies
    limit_of_sources 3
    start_origin && start_tether
    in_force 3 || fail "the rule file was not read: $(admin /api/v1/limits)"
    limit_of_sources 5
    kill -HUP "$TETHER"
    wait_for "the reload is done" reloads "done" 1
    in_force 5 || fail "the old limit is in force: $(admin '/api/v1/limits?rule=sources')"
    limit_of_sources -1
    kill -HUP "$TETHER"
    wait_for "the reload was refused" reloads failed 1
    in_force 5 || fail "a bad file changed something"
    grep -q 'policies/limits.toml:4:' tether.err || fail "the log does not say where"
    equal "last reload" 0 "$(metric tether_config_last_reload_successful)"
    rm tether.toml
    kill -HUP "$TETHER"
    wait_for "there is nothing to read" reloads failed 2
    equal "answer" hello "$(through "http://$ORIGIN/hello")"
    write_config
    limit_of_sources 7
    kill -HUP "$TETHER"
    wait_for "the reload is done" reloads "done" 2
    in_force 7 || fail "the limit is not 7"
    nothing_left
}
