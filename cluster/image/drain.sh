#!/usr/bin/env bash
# preStop of a worker: Kubernetes runs it before it ends the pod, within the grace period.
# Serve starts the replicas of this node elsewhere, lets their requests end and stops them; the
# proxy turns unready, so that no new request comes. Without it a deleted pod loses them all.
set -uo pipefail

node_id=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | sed -n 's/^--node_id=//p' | head -n 1)
if [ -z "$node_id" ]; then
    echo "drain.sh: no raylet runs here" >&2
    exit 0
fi
ray drain-node --address "$RAY_ADDRESS" --node-id "$node_id" \
    --reason DRAIN_NODE_REASON_PREEMPTION --reason-message "the pod is deleted" \
    --deadline-remaining-seconds "${1:?seconds until the pod is killed}" || exit 0
# Replicas name their process after themselves. The node ends by itself when it is idle.
while cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -q '^ray::ServeReplica'; do
    sleep 1
done
