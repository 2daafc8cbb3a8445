# Starts a Sentinel. Its state is kept on the disk of its Redis; the settings here are rewritten at each start.
set -eu
password=$(cat /secrets/redis-password)
config=/data/sentinel.conf

known=$(grep -E '^sentinel (monitor|myid|current-epoch|config-epoch|leader-epoch|known-replica|known-sentinel) ' \
    "$config" 2>/dev/null || true)
[ -n "$known" ] || known="sentinel monitor jobs redis-0.redis 6379 2"

umask 077
cat >"$config.new" <<EOF
port 26379
dir /tmp
requirepass "$password"
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $(hostname).redis
sentinel sentinel-pass "$password"
$(echo "$known" | grep -E '^sentinel (myid|monitor) ')
sentinel auth-pass jobs "$password"
sentinel down-after-milliseconds jobs 5000
sentinel failover-timeout jobs 30000
$(echo "$known" | grep -vE '^sentinel (myid|monitor) ' || true)
EOF
mv "$config.new" "$config"
exec redis-server "$config" --sentinel
