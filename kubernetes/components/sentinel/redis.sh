# Starts a Redis that replicates the master named by the Sentinels. The Sentinels of the other pods are asked, because that of
# this pod starts at the same time, with what it knew before. If none of them responds, as when all start at once, the master
# is the one that this pod's Sentinel has stored, and the first pod on the first start.
set -eu
password=$(cat /secrets/redis-password)
export REDISCLI_AUTH="$password"
me="$(hostname).redis"
number=${me#redis-}
number=${number%.redis}

# Prints the master that the other pods' Sentinels name; if they do not agree, as during a failover, the one that is not this.
ask_others() {
    for n in 0 1 2; do
        [ "$n" = "$number" ] ||
            timeout 3 redis-cli -h "redis-$n.redis" -p 26379 --raw sentinel get-master-addr-by-name jobs 2>/dev/null |
            grep -m1 '^redis-' || true
    done | sort -u | awk -v me="$me" '$0 != me || !found { found = $0 } END { print found }'
}

# Whether another Redis has been running for longer than the Sentinels need to notice that this one is missing.
others_run() {
    for n in 0 1 2; do
        [ "$n" = "$number" ] || timeout 3 redis-cli -h "redis-$n.redis" info server 2>/dev/null
    done | tr -d '\r' | awk -F: '$1 == "uptime_in_seconds" && $2 >= 15 { found = 1 } END { exit !found }'
}

master=$(ask_others)
if [ "$master" = "$me" ] && others_run; then
    # It was the master a moment ago. A master now, and a replica after the failover that is due, it would be a second one
    # in between: wait until the Sentinels name another, or have not for longer than a failover takes.
    give_up=$(($(date +%s) + 30))
    while [ "$master" = "$me" ] && [ "$(date +%s)" -lt "$give_up" ]; do
        sleep 0.5
        master=$(ask_others)
    done
fi
if [ -z "$master" ]; then
    master=$(sed -n 's/^sentinel monitor jobs \(redis-[^ ]*\) .*/\1/p' /data/sentinel.conf 2>/dev/null || true)
fi
master=${master:-redis-0.redis}

follow=""
[ "$master" = "$me" ] || follow="replicaof $master 6379"
# A master without a replica that keeps up rejects writes: cut off from the others, it cannot accept what would be lost.
# The first pod is preferred at a failover, so that `sentinel` can be taken out: see docs/kubernetes.md.
exec redis-server - --dir /data --appendonly yes --appendfsync everysec --save '' \
    --maxmemory "$REDIS_MAXMEMORY" --maxmemory-policy noeviction --replica-announce-ip "$me" \
    --min-replicas-to-write 1 --min-replicas-max-lag 10 --replica-priority "$((100 + number))" <<CONFIG
requirepass "$password"
masterauth "$password"
$follow
CONFIG
