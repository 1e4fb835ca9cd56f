#!/usr/bin/env bash
# A PostgreSQL cluster of one's own, under a directory, reached by a socket only.
#   lab/postgres.sh start DIR     make it if needed, start it, make the database "iroko"
#   lab/postgres.sh stop DIR      stop it (fast: sessions are cut, nothing is lost)
#   lab/postgres.sh kill DIR      SIGKILL every process of it, as a power cut would
#   lab/postgres.sh url DIR [DB]  print the URL of a database in it
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

start() {
    mkdir -p "$dir" "$(socket_dir)"
    chmod 700 "$(socket_dir)"
    if [ ! -s "$dir/data/PG_VERSION" ]; then
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
CONF
    fi
    if ! as_postgres "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; then
        # After a power cut the pid in postmaster.pid may belong to somebody else by now.
        as_postgres "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -o "-k '$(socket_dir)'" -w -t 60 start >"$dir/start.log" 2>&1 ||
            { cat "$dir/start.log" "$dir/log" >&2; exit 1; }
    fi
    psql -qtAX -h "$(socket_dir)" -U iroko -d postgres -c "select 1 from pg_database where datname = 'iroko'" | grep -q 1 ||
        createdb -h "$(socket_dir)" -U iroko iroko
}

case $verb in
    start) start ;;
    stop) [ ! -d "$dir/data" ] || as_postgres "$bin/pg_ctl" -D "$dir/data" -m fast -w stop >/dev/null 2>&1 || true ;;
    kill) [ ! -s "$dir/data/postmaster.pid" ] || { pid=$(head -n 1 "$dir/data/postmaster.pid"); pkill -KILL -P "$pid" || true; kill -KILL "$pid"; } ;;
    url) echo "postgres://iroko@localhost/${3:-iroko}?host=$(socket_dir)" ;;
    *) echo "postgres.sh: start, stop, kill or url, not '$verb'" >&2; exit 2 ;;
esac
