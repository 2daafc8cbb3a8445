#!/bin/sh
# Replaces the data of Redis in a namespace by a back-up: kubernetes/restore.sh NAMESPACE [FILE], of which the newest is the
# default. Stops the API and the workers, deletes the volumes of Redis, restores, and starts everything as it was, with the
# components keda, hpa and sentinel too. After a failure everything stays stopped: run it again.
set -eu
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: $0 NAMESPACE [FILE]" >&2
    exit 2
fi
namespace=$1
file=${2:-newest}
case $file in
*[!A-Za-z0-9._/-]*)
    echo "FILE: expected the path of a back-up in the pod, as in /backups/jobs-20261124T021700Z.rdb." >&2
    exit 2
    ;;
esac
job=restore-$(date +%s)
noted=dataset-jobs/replicas

k() {
    kubectl -n "$namespace" "$@"
}

# KEDA or nothing; a HorizontalPodAutoscaler pauses by itself while there are no replicas.
scaled_object() {
    k get scaledobject.keda.sh/worker --output name 2>/dev/null || true
}

noted_of() {
    k get "$1" --output "jsonpath={.metadata.annotations.$noted}"
}

# Notes the number of replicas, unless an earlier try has noted it and then failed.
note() {
    [ -n "$(noted_of "$1")" ] || k annotate "$1" "$noted=$(k get "$1" --output 'jsonpath={.spec.replicas}')"
}

# Without a back-up there is nothing to restore.
k get cronjob/backup --output name >/dev/null
for each in deployment/api deployment/worker statefulset/redis; do
    note "$each"
done
[ -z "$(scaled_object)" ] || k annotate --overwrite scaledobject.keda.sh/worker autoscaling.keda.sh/paused-replicas=0
k scale deployment/api deployment/worker statefulset/redis --replicas 0
# What the jobs compute is about to be replaced, so they need no drain.
k delete pod --selector app.kubernetes.io/name=worker --grace-period 10 --ignore-not-found
k wait --for delete pod --selector 'app.kubernetes.io/name in (api, worker, redis)' --timeout 5m

k delete pvc --selector app.kubernetes.io/name=redis
k scale statefulset/redis --replicas 1
k rollout status statefulset/redis --timeout 10m

k create job "$job" --from cronjob/backup --dry-run=client --output yaml |
    kubectl patch --local --filename - --type json --output yaml --patch '[
        {"op": "replace", "path": "/spec/backoffLimit", "value": 0},
        {"op": "replace", "path": "/spec/template/spec/containers/0/command",
         "value": ["python", "-m", "ops.backup", "restore", "'"$file"'"]}]' |
    k apply --filename -
state=""
# SuccessCriteriaMet and FailureTarget come before these.
until case $state in *Complete* | *Failed*) ;; *) false ;; esac do
    sleep "${RESTORE_POLL_SECONDS:-2}"
    state=$(k get "job/$job" --output 'jsonpath={.status.conditions[?(@.status=="True")].type}')
done
k logs "job/$job" || true  # its pod is gone where the Job took too long
case $state in
*Failed*)
    echo "The restore failed ($state); everything is stopped. See the log above, and run it again." >&2
    exit 1
    ;;
esac

for each in statefulset/redis deployment/api deployment/worker; do
    k scale "$each" --replicas "$(noted_of "$each")"
    k annotate "$each" "$noted-"
done
[ -z "$(scaled_object)" ] || k annotate scaledobject.keda.sh/worker autoscaling.keda.sh/paused-replicas-
k rollout status statefulset/redis --timeout 10m
k rollout status deployment/api --timeout 10m
