# Starts a Sentinel. What it learns it keeps in a file of its own, which is made anew only where there is none.
set -eu
password=$(cat /secrets/redis-password)
export REDISCLI_AUTH="$password"
me="$(hostname).redis"
config=/sentinel/sentinel.conf

master=redis-0.redis
for n in 0 1 2; do
    found=$(timeout 3 redis-cli -h "redis-$n.redis" -p 26379 --raw sentinel get-master-addr-by-name jobs 2>/dev/null |
        grep -m1 '^redis-' || true)
    [ -z "$found" ] || { master=$found; break; }
done

if [ ! -e "$config" ]; then
    until getent hosts "$master" >/dev/null; do
        sleep 1
    done
    umask 077
    cat >"$config" <<EOF
port 26379
dir /tmp
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $me
requirepass "$password"
sentinel sentinel-pass "$password"
sentinel monitor jobs $master 6379 2
sentinel auth-pass jobs "$password"
sentinel down-after-milliseconds jobs 5000
sentinel failover-timeout jobs 30000
sentinel parallel-syncs jobs 1
EOF
fi
exec redis-server "$config" --sentinel
