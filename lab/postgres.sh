#!/usr/bin/env bash
# A PostgreSQL cluster of one's own, under a directory, reached by a socket only.
#   lab/postgres.sh start DIR     make it if needed, start it, make the database "iroko"
#   lab/postgres.sh run DIR       the same in the foreground, for a supervisor, also after a kill -9
#   lab/postgres.sh stop DIR      stop it (fast: sessions are cut, nothing is lost)
#   lab/postgres.sh kill DIR      SIGKILL every process of it, as a power cut would
#   lab/postgres.sh url DIR [DB]  print the URL of a database in it
#
# IROKO_POSTGRES_CONF holds further lines for the postgresql.conf of a cluster that is made.
#
# PostgreSQL refuses to run as root. Started by root it runs in a user namespace that shows root as
# the user "postgres", so that it works below a directory only root may enter.
set -euo pipefail

verb=${1:?verb}
dir=$(realpath -m "${2:?directory}")
bin=$(pg_config --bindir 2>/dev/null || true)
[ -x "$bin/initdb" ] || bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[ -x "$bin/initdb" ] || { echo "postgres.sh: PostgreSQL is not installed (apt-get install postgresql)" >&2; exit 1; }

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        unshare --user --map-user="$(id -u postgres)" --map-group="$(id -g postgres)" "$@"
    else
        "$@"
    fi
}

# sun_path holds 107 characters; a deep directory gets its socket under /tmp.
socket_dir() {
    if [ ${#dir} -le 80 ]; then echo "$dir"; else echo "/tmp/iroko-pg-$(printf %s "$dir" | sha256sum | cut -c1-12)"; fi
}

make_cluster() {
    mkdir -p "$dir" "$(socket_dir)"
    chmod 700 "$(socket_dir)"
    [ ! -s "$dir/data/PG_VERSION" ] || return 0
    rm -rf "$dir/data"
    as_postgres "$bin/initdb" -D "$dir/data" -U iroko --auth=trust -E UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1 ||
        { cat "$dir/initdb.log" >&2; exit 1; }
    cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = ''
max_connections = 200
shared_buffers = 128MB
max_wal_size = 1GB
log_min_duration_statement = 2000
log_line_prefix = '%m [%p] %d '
${IROKO_POSTGRES_CONF:-}
CONF
}

make_database() {
    psql -qtAX -h "$(socket_dir)" -U iroko -d postgres -c "select 1 from pg_database where datname = 'iroko'" | grep -q 1 ||
        createdb -h "$(socket_dir)" -U iroko iroko
}

start() {
    make_cluster
    if ! as_postgres "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; then
        # After a power cut the pid in postmaster.pid may belong to somebody else by now.
        as_postgres "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -o "-k '$(socket_dir)'" -w -t 60 start >"$dir/start.log" 2>&1 ||
            { cat "$dir/start.log" "$dir/log" >&2; exit 1; }
    fi
    make_database
}

# Processes that work in the data directory: those of a server, and what a killed one left behind.
workers() {
    local process
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/cwd" 2>/dev/null)" != "$dir/data" ] || echo "${process#/proc/}"
    done
}

run() {
    make_cluster
    # A killed server's workers still write. Its lock file may name a number that is somebody else's now.
    for _ in $(seq 100); do
        [ -n "$(workers)" ] || break
        sleep 0.1
    done
    # shellcheck disable=SC2046
    [ -z "$(workers)" ] || kill -KILL $(workers) 2>/dev/null || true
    rm -f "$dir/data/postmaster.pid"
    (
        until psql -qtAX -h "$(socket_dir)" -U iroko -d postgres -c "select 1" >/dev/null 2>&1; do sleep 0.1; done
        make_database
    ) &
    as_postgres setpriv --pdeathsig INT "$bin/postgres" -D "$dir/data" -k "$(socket_dir)" || echo "postgres ended with $?"
    kill %1 2>/dev/null || true
}

case $verb in
    start) start ;;
    run) run ;;
    stop) [ ! -d "$dir/data" ] || as_postgres "$bin/pg_ctl" -D "$dir/data" -m fast -w stop >/dev/null 2>&1 || true ;;
    kill) [ ! -s "$dir/data/postmaster.pid" ] || { pid=$(head -n 1 "$dir/data/postmaster.pid"); pkill -KILL -P "$pid" || true; kill -KILL "$pid"; } ;;
    url) echo "postgres://iroko@localhost/${3:-iroko}?host=$(socket_dir)" ;;
    *) echo "postgres.sh: start, run, stop, kill or url, not '$verb'" >&2; exit 2 ;;
esac
