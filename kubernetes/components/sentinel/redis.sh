# Starts a Redis that follows the master: the one that the Sentinels name; where none answers, as when all start at once,
# the one that the Sentinel of this pod remembers; the first time, the first one.
set -eu
password=$(cat /secrets/redis-password)
export REDISCLI_AUTH="$password"
me="$(hostname).redis"

ask() {
    for n in 0 1 2; do
        timeout 3 redis-cli -h "redis-$n.redis" -p 26379 --raw sentinel get-master-addr-by-name jobs 2>/dev/null |
            grep -m1 '^redis-' && return
    done
    sed -n 's/^sentinel monitor jobs \(redis-[^ ]*\) .*/\1/p' /data/sentinel.conf 2>/dev/null | grep -m1 . ||
        echo redis-0.redis
}

master=$(ask)
follow=""
[ "$master" = "$me" ] || follow="replicaof $master 6379"
exec redis-server - --dir /data --appendonly yes --appendfsync everysec --save '' \
    --maxmemory "$REDIS_MAXMEMORY" --maxmemory-policy noeviction --replica-announce-ip "$me" <<EOF
requirepass "$password"
masterauth "$password"
$follow
EOF
