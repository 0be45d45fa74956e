# A real scanner: c-icap with ClamAV behind it, and a database of two lines that know the harmless test file only.
# shellcheck shell=bash

# The EICAR test file, as this project never holds it: turned round, so that no scanner takes the repository for it.
eicar() {
    rev <<<'*H+H$!ELIF-TSET-SURIVITNA-DRADNATS-RACIE$}7)CC7)^P(45XZP\4[PA@%P!O5X' | tr -d '\n'
}

# Starts both; sets SCANNER to the address of the service. Everything they write is below scanner/.
start_scanner() {
    needs clamd
    needs c-icap
    local modules
    modules=$(dirname "$(find /usr/lib -name virus_scan.so -print -quit)")
    [[ -e $modules/srv_echo.so ]] || skip "the virus_scan module of c-icap is not installed"
    mkdir -p scanner/db scanner/tmp
    # clamd may give up its rights, and both read the same temporary files.
    chmod 755 "$WORK" && chmod -R 777 scanner
    write_database
    start_clamd
    start_c_icap "$modules"
}

write_database() {
    printf '%s:%s:Eicar-Test-Signature\n' "$(eicar | md5sum | cut -d ' ' -f 1)" 68 >scanner/db/eicar.hdb
    printf 'Eicar-Test-Anywhere:0:*:%s\n' "$(eicar | od -An -v -tx1 | tr -d ' \n')" >scanner/db/eicar.ndb
}

# Sets CLAMD.
start_clamd() {
    cat >clamd.conf <<CONF
LocalSocket $WORK/scanner/clamd.ctl
LocalSocketMode 666
DatabaseDirectory $WORK/scanner/db
PidFile $WORK/scanner/clamd.pid
Foreground yes
StreamMaxLength 100M
MaxThreads 4
CONF
    ((EUID == 0)) && echo "User root" >>clamd.conf
    clamd -c clamd.conf >scanner/clamd.out 2>&1 &
    CLAMD=$!
    STARTED+=("$CLAMD")
    wait_for "clamd is up" test -S scanner/clamd.ctl
}

# A thread of it serves one connection for as long as that is kept, and it does not say how many it has: they are no fewer than
# the connections we make to a service that says nothing.
start_c_icap() { # MODULES
    C_ICAP_PORT=$(free_port)
    # shellcheck disable=SC2034 # for the checks
    SCANNER=icap://127.0.0.1:$C_ICAP_PORT/avscan
    cat >c-icap.conf <<CONF
PidFile $WORK/scanner/c-icap.pid
CommandsSocket $WORK/scanner/c-icap.ctl
Port 127.0.0.1:$C_ICAP_PORT
StartServers 4
MaxServers 4
MinSpareThreads 1
MaxSpareThreads 40
ThreadsPerChild 10
TmpDir $WORK/scanner/tmp
ServerLog $WORK/scanner/server.log
AccessLog $WORK/scanner/access.log
ModulesDir $1
ServicesDir $1
TemplateDir /usr/share/c_icap/templates/
LoadMagicFile /etc/c-icap/c-icap.magic
Service echo srv_echo.so
Service antivirus_module virus_scan.so
ServiceAlias avscan virus_scan?allow204=on&sizelimit=off&mode=simple
virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE DOCUMENT GRAPHICS MSOFFICE
virus_scan.SendPercentData 5
virus_scan.StartSendPercentDataAfter 2M
virus_scan.MaxObjectSize 64M
Module common clamd_mod.so
clamd_mod.ClamdSocket $WORK/scanner/clamd.ctl
CONF
    run_c_icap
}

# Starts it as it is configured, again where it has been ended; sets C_ICAP.
run_c_icap() {
    c-icap -N -D -f "$WORK/c-icap.conf" >>scanner/c-icap.out 2>&1 &
    C_ICAP=$!
    STARTED+=("$C_ICAP")
    wait_for "c-icap is up" accepts "127.0.0.1:$C_ICAP_PORT"
}

# Ends it as a crash would, with the processes it has made.
kill_c_icap() {
    local children
    children=$(cat "/proc/$C_ICAP/task/"*/children)
    # shellcheck disable=SC2086 # one word for each
    kill -KILL "$C_ICAP" $children 2>/dev/null || true
    wait_for "c-icap is gone" refuses_at "127.0.0.1:$C_ICAP_PORT"
}

refuses_at() { # HOST:PORT
    ! accepts "$1"
}

# Starts peers/late_scanner.py, which says nothing before the end of a body; sets SCANNER.
start_late_scanner() {
    needs python3
    python3 "$PEERS/late_scanner.py" --directory "$WORK" >scanner.port 2>scanner.err &
    STARTED+=($!)
    wait_for "the late scanner is up" test -s scanner.port
    # shellcheck disable=SC2034 # for the checks
    SCANNER=icap://127.0.0.1:$(cat scanner.port)/respmod
}
