#!/bin/sh
# Replaces the data of Redis in a namespace by a back-up: kubernetes/restore.sh NAMESPACE [FILE], of which the newest is the
# default. Looks for the back-up, then stops the API, the workers and further back-ups, deletes the volumes of Redis, restores,
# and starts everything as it was, with the components keda, hpa and sentinel too. After a failure everything stays stopped:
# run it again.
set -eu
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: $0 NAMESPACE [FILE]" >&2
    exit 2
fi
namespace=$1
file=${2:-newest}
case $file in
*[!A-Za-z0-9._/:-]*)
    echo "FILE: expected a back-up's path in the pod, as in /backups/jobs-20261124T021700Z.rdb, or s3://BUCKET/PREFIX/FILE." >&2
    exit 2
    ;;
esac
now=$(date +%s)
noted=dataset-jobs/replicas
resumed=dataset-jobs/resume

k() {
    kubectl -n "$namespace" "$@"
}

noted_of() {
    k get "$1" --output "jsonpath={.metadata.annotations.$noted}"
}

# Notes the number of replicas, unless an earlier try has noted it and then failed.
note() {
    if [ -z "$(noted_of "$1")" ]; then
        replicas=$(k get "$1" --output 'jsonpath={.spec.replicas}')
        k annotate "$1" "$noted=$replicas"
    fi
}

# Suspends the CronJob and notes that, unless it was suspended before.
suspend_back_ups() {
    if [ "$(k get cronjob/backup --output 'jsonpath={.spec.suspend}')" != true ]; then
        k annotate --overwrite cronjob/backup "$resumed=yes"
        k patch cronjob/backup --patch '{"spec": {"suspend": true}}'
    fi
}

resume_back_ups() {
    if [ -n "$(k get cronjob/backup --output "jsonpath={.metadata.annotations.$resumed}")" ]; then
        k patch cronjob/backup --patch '{"spec": {"suspend": false}}'
        k annotate cronjob/backup "$resumed-"
    fi
}

# Runs a Job with the command `python -m ops.backup WORD FILE`, once, and puts its log into `log`. In a condition, `set -e` does
# not hold.
run_job() {
    job=$1-back-up-$now state=""
    k create job "$job" --from cronjob/backup --dry-run=client --output yaml |
        kubectl patch --local --filename - --type json --output yaml --patch '[
            {"op": "replace", "path": "/spec/backoffLimit", "value": 0},
            {"op": "replace", "path": "/spec/template/spec/containers/0/command",
             "value": ["python", "-m", "ops.backup", "'"$1"'", "'"$file"'"]}]' |
        k apply --filename - || return 1
    # SuccessCriteriaMet and FailureTarget come before these.
    until case $state in *Complete* | *Failed*) ;; *) false ;; esac do
        sleep "${RESTORE_POLL_SECONDS:-2}"
        state=$(k get "job/$job" --output 'jsonpath={.status.conditions[?(@.status=="True")].type}') || return 1
    done
    log=$(k logs "job/$job") || true  # its pod is gone where the Job took too long
    echo "$log"
    case $state in *Failed*) return 1 ;; esac
}

# Nothing is stopped before the prerequisites are checked.
k get statefulset/redis --output name >/dev/null
if ! run_job find; then
    echo "The back-up was not found, or the Job could not run; nothing has changed. See above." >&2
    exit 1
fi
# From now on it has a name: another one may become the newest.
file=$(echo "$log" | grep '^/' | tail -1)
if [ -z "$file" ]; then
    echo "The log of the Job names no file; nothing has changed." >&2
    exit 1
fi
# KEDA would start workers again; a HorizontalPodAutoscaler pauses by itself while there are no replicas.
scaled_object=""
apis=$(kubectl api-versions)
case $apis in
*keda.sh/*) scaled_object=$(k get scaledobject.keda.sh/worker --ignore-not-found --output name) ;;
esac

for each in deployment/api deployment/worker statefulset/redis; do
    note "$each"
done
suspend_back_ups
[ -z "$scaled_object" ] || k annotate --overwrite "$scaled_object" autoscaling.keda.sh/paused-replicas=0
k scale deployment/api deployment/worker statefulset/redis --replicas 0
# What the jobs compute is about to be replaced, so they need no drain.
k delete pod --selector app.kubernetes.io/name=worker --grace-period 10 --ignore-not-found --wait=false
k wait --for delete pod --selector 'app.kubernetes.io/name in (api, worker, redis)' --timeout 5m

k delete pvc --selector app.kubernetes.io/name=redis
k scale statefulset/redis --replicas 1
k rollout status statefulset/redis --timeout 10m
if ! run_job restore; then
    echo "The restore failed ($state); everything is stopped. See above, and run it again: $0 $namespace $file" >&2
    exit 1
fi

for each in statefulset/redis deployment/api deployment/worker; do
    k scale "$each" --replicas "$(noted_of "$each")"
    k annotate "$each" "$noted-"
done
[ -z "$scaled_object" ] || k annotate "$scaled_object" autoscaling.keda.sh/paused-replicas-
resume_back_ups
k rollout status statefulset/redis --timeout 10m
k rollout status deployment/api --timeout 10m
