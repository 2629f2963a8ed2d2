#!/bin/sh
# As root, hand over to postgres; make the databases at the first start.
set -eu
[ "$1" = postgres ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
    install --directory --owner=postgres --mode=0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    echo "$POSTGRES_PASSWORD" > /tmp/password
    initdb --username=postgres --encoding=UTF8 --pwfile=/tmp/password
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    pg_ctl --wait --options="-c listen_addresses=''" start
    cat /docker-entrypoint-initdb.d/*.sql | psql --username=postgres
    pg_ctl --wait stop
fi
exec "$@" -c listen_addresses='*'
