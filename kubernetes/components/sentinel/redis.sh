# Starts a Redis that replicates the master named by the Sentinels. If no Sentinel responds, as when all start at once,
# the master is the one that this pod's Sentinel has stored, and the first pod on the first start.
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
