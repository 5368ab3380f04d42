#!/usr/bin/env bash
# Pods on a real containerd, seen through kubectl: where their environment and files come from, how they start, restart and
# stop, what they may use, and how kubectl 1.32 and 1.35 look into them.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/node/lib.sh

phase_is() { [ "$(pod_field "$1" .status.phase)" = "$2" ]; }
ready_is() { [ "$(pod_field "$1" '.status.conditions[?(@.type=="Ready")].status')" = "$2" ]; }
# logged POD TEXT: its log has this line.
logged() { kubectl logs "$1" | grep -xF -- "$2" >/dev/null; }

test_sources() {
  mkdir -p "$state/host"
  echo from-the-host >"$state/host/file"
  kubectl create configmap settings --from-literal=color=blue --from-literal=size=big >/dev/null
  kubectl create secret generic password --from-literal=token=hidden >/dev/null
  kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata:
  name: sources
  labels: {app: sources}
spec:
  containers:
  - name: main
    image: $busybox
    command: [sh, -c]
    args:
    - |
      echo plain \$PLAIN, \$COMPOSED, \$COLOR, \$ALL_size, \$TOKEN, \$NAME, \$CPU, \$KUBERNETES_SERVICE_PORT_HTTPS
      echo args \$(PLAIN) '\$\$(PLAIN)'
      for f in /config/color /items/c /secret/token /down/labels /all/size /all/token /all/name /host/file; do echo \$f \$(cat \$f); done
      [ "\$(wc -c < /all/jwt)" -gt 300 ] && echo /all/jwt is a token
      stat -c '%a' -L /items/c
      mount | grep -q 'on /memory type tmpfs' && echo /memory is memory
      echo kept > /empty/file && echo /empty/file \$(cat /other/file)
      touch /secret/x 2>/dev/null || echo /secret is read-only
      ls -A /var/run/secrets/kubernetes.io/serviceaccount | grep -v '^\.\.' | tr '\n' ' '; echo
      sleep 1000
    env:
    - {name: PLAIN, value: one}
    - {name: COMPOSED, value: "two-\$(PLAIN)"}
    - {name: COLOR, valueFrom: {configMapKeyRef: {name: settings, key: color}}}
    - {name: TOKEN, valueFrom: {secretKeyRef: {name: password, key: token}}}
    - {name: ABSENT, valueFrom: {configMapKeyRef: {name: nowhere, key: x, optional: true}}}
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
    envFrom:
    - {prefix: ALL_, configMapRef: {name: settings}}
    resources: {limits: {cpu: 250m, memory: 32Mi}}
    volumeMounts:
    - {name: config, mountPath: /config}
    - {name: items, mountPath: /items}
    - {name: secret, mountPath: /secret, readOnly: true}
    - {name: down, mountPath: /down}
    - {name: all, mountPath: /all}
    - {name: host, mountPath: /host}
    - {name: memory, mountPath: /memory}
    - {name: empty, mountPath: /empty}
    - {name: empty, mountPath: /other}
  volumes:
  - {name: config, configMap: {name: settings}}
  - {name: items, configMap: {name: settings, items: [{key: color, path: c, mode: 0400}]}}
  - {name: secret, secret: {secretName: password}}
  - {name: down, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
  - name: all
    projected:
      sources:
      - {configMap: {name: settings}}
      - {secret: {name: password}}
      - {downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}
      - {serviceAccountToken: {path: jwt, expirationSeconds: 600}}
  - {name: host, hostPath: {path: $state/host, type: Directory}}
  - {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: empty, emptyDir: {}}
YAML
  await 30 logged sources 'ca.crt namespace token ' || { kubectl logs sources >&2; kubectl describe pod sources >&2; fail "no log"; }
  local line
  while read -r line; do
    logged sources "$line" || { kubectl logs sources >&2; fail "not in the log: $line"; }
  done <<'LINES'
plain one, two-one, blue, big, hidden, sources, 250, 443
args one $(PLAIN)
/config/color blue
/items/c blue
/secret/token hidden
/down/labels app="sources"
/all/size big
/all/token hidden
/all/name sources
/host/file from-the-host
/all/jwt is a token
400
/memory is memory
/empty/file kept
/secret is read-only
LINES
  ok "environment and files from every source"

  local inside="kubectl exec sources --"
  kubectl patch configmap settings --type merge -p '{"data":{"color":"green"}}' >/dev/null
  kubectl patch secret password --type merge -p '{"data":{"token":"Y2hhbmdlZA=="}}' >/dev/null
  kubectl label pod sources tier=front >/dev/null
  await 10 shows '^green$' $inside cat /config/color || fail "the config map's change does not arrive"
  await 10 shows '^green$' $inside cat /all/color || fail "the projected config map's change does not arrive"
  await 10 shows '^changed$' $inside cat /secret/token || fail "the secret's change does not arrive"
  await 10 shows 'tier="front"' $inside cat /down/labels || fail "the label does not arrive"
  [ "$(pod_field sources .status.containerStatuses[0].restartCount)" = 0 ] || fail "it was restarted for that"
  ok "changes of config maps, secrets and labels reach the running pod"

  local group id
  group="*/$tag/kubepods/pod$(pod_field sources .metadata.uid)"
  id=$(pod_field sources .status.containerStatuses[0].containerID)
  for where in "$group" "$group/${id#containerd://}"; do
    # Version 1 and 2 of the kernel's interface.
    limit=$(find /sys/fs/cgroup \( -path "$where/memory.limit_in_bytes" -o -path "$where/memory.max" \) -exec cat {} +)
    [ "$limit" = $((32 << 20)) ] || fail "the memory limit in $where is $limit"
    quota=$(find /sys/fs/cgroup \( -path "$where/cpu.cfs_quota_us" -o -path "$where/cpu.max" \) -exec cat {} +)
    [ "${quota% 100000}" = 25000 ] || fail "the CPU quota in $where is $quota"
  done
  ok "limits are in the cgroups of pod and container"
}

test_lives() {
  kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: succeeds}
spec:
  restartPolicy: OnFailure
  initContainers:
  - {name: first, image: $busybox, command: [sh, -c, "echo first >> /data/order"], volumeMounts: [{name: data, mountPath: /data}]}
  - {name: second, image: $busybox, command: [sh, -c, "echo second >> /data/order"], volumeMounts: [{name: data, mountPath: /data}]}
  containers:
  - name: main
    image: $busybox
    command: [sh, -c, "if [ -e /data/tried ]; then cat /data/order; else touch /data/tried; exit 1; fi"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: fails}
spec:
  restartPolicy: Never
  containers: [{name: main, image: $busybox, command: [sh, -c, "echo because > /dev/termination-log; exit 4"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: probed}
spec:
  containers:
  - name: main
    image: $busybox
    command: [sh, -c, "touch /tmp/live; sleep 2; touch /tmp/started; mkdir /tmp/www; httpd -p 8080 -h /tmp/www; while :; do sleep 0.1; done"]
    startupProbe: {exec: {command: [test, -e, /tmp/started]}, periodSeconds: 1, failureThreshold: 20}
    livenessProbe: {exec: {command: [test, -e, /tmp/live]}, periodSeconds: 1, failureThreshold: 1, terminationGracePeriodSeconds: 1}
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
  - name: web
    image: $busybox
    command: [sh, -c, "mkdir /tmp/www; echo ok > /tmp/www/health; exec httpd -f -p 8081 -h /tmp/www"]
    ports: [{name: http, containerPort: 8081}]
    readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: stops}
spec:
  terminationGracePeriodSeconds: 20
  containers:
  - name: main
    image: $busybox
    command: [sh, -c, "trap 'echo terminated >> /host/end; exit 0' TERM; while :; do sleep 0.1; done"]
    lifecycle: {preStop: {exec: {command: [sh, -c, "echo hook >> /host/end"]}}}
    volumeMounts: [{name: host, mountPath: /host}]
  volumes: [{name: host, hostPath: {path: $state/host}}]
---
apiVersion: v1
kind: Pod
metadata: {name: ignores}
spec:
  terminationGracePeriodSeconds: 2
  containers: [{name: main, image: $busybox, command: [sh, -c, "trap '' TERM; while :; do sleep 0.1; done"]}]
YAML
  await 30 phase_is fails Failed || fail "a pod that fails"
  [ "$(pod_field fails .status.containerStatuses[0].state.terminated.exitCode)" = 4 ] || fail "the exit code"
  [ "$(pod_field fails .status.containerStatuses[0].state.terminated.message)" = because ] || fail "the last words"
  await 30 phase_is succeeds Succeeded || fail "a pod that succeeds when it is tried again"
  [ "$(kubectl logs succeeds | tr '\n' ' ')" = 'first second ' ] || fail "the order of init containers"
  [ "$(pod_field succeeds .status.containerStatuses[0].restartCount)" = 1 ] || fail "the restart is not counted"
  ok "init containers in order, restart policies"

  await 30 ready_is probed True || { kubectl describe pod probed >&2; fail "never ready"; }
  kubectl exec probed -c web -- rm /tmp/www/health
  await 20 ready_is probed False || fail "ready although the page is gone"
  kubectl exec probed -c web -- touch /tmp/www/health
  await 20 ready_is probed True || fail "not ready again"
  kubectl exec probed -c main -- rm /tmp/live
  await_event 'probed Unhealthy Liveness probe failed' || fail "no Unhealthy event"
  await_event 'probed Killing Container main failed liveness probe, will be restarted' || fail "no restart"
  await 30 shows '^1$' pod_field probed '.status.containerStatuses[?(@.name=="main")].restartCount' || fail "not restarted"
  await 30 ready_is probed True || fail "not ready after its restart"
  ok "startup, liveness and readiness by exec, TCP and HTTP"

  await 30 ready_is stops True || fail "stops does not run"
  local begin=$SECONDS
  kubectl delete pod stops >/dev/null
  [ $((SECONDS - begin)) -lt 10 ] || fail "a pod that ends on SIGTERM took its whole grace"
  [ "$(tr '\n' ' ' <"$state/host/end")" = 'hook terminated ' ] || fail "preStop and SIGTERM: $(cat "$state/host/end")"
  begin=$SECONDS
  kubectl delete pod ignores >/dev/null
  [ $((SECONDS - begin)) -ge 1 ] && [ $((SECONDS - begin)) -lt 10 ] || fail "SIGKILL came after $((SECONDS - begin)) s"
  ok "preStop, SIGTERM, grace, SIGKILL"
}

test_looks() {
  local version
  kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: looked-at}
spec:
  containers:
  - name: main
    image: $busybox
    command: [sh, -c, "echo begin; echo problem >&2; mkdir /tmp/www; echo forwarded > /tmp/www/page; httpd -p 8080 -h /tmp/www; i=0; while :; do i=\$((i+1)); echo \$i; sleep 0.2; done"]
  - {name: talks, image: $busybox, stdin: true, command: [sh, -c, "while read -r line; do echo heard \$line; done"]}
YAML
  await 30 ready_is looked-at True || fail "it does not run"
  for version in kubectl kubectl-1.32; do
    kubectl_program=build/clients/$version
    look "$version"
    ok "logs, exec, attach, cp and port-forward by $version"
  done
  kubectl_program=
}

look() {
  local text port forward
  # The two streams have a pipe each, so their lines may change places.
  [ "$(kubectl logs looked-at -c main | grep -cE '^(begin|problem)$')" = 2 ] || fail "$1 logs"
  [ "$(kubectl logs looked-at -c main --tail 3 | wc -l)" = 3 ] || fail "$1 logs --tail"
  [ "$(kubectl logs looked-at -c main --since 2s | wc -l)" -le 12 ] || fail "$1 logs --since"
  kubectl logs looked-at -c main --tail 1 --timestamps | grep -Eq '^20[0-9-]+T[0-9:.]+Z [0-9]+$' || fail "$1 logs --timestamps"
  text=$( (kubectl logs looked-at -c main --tail 1 -f || true) | head -n 5 | wc -l)
  [ "$text" = 5 ] || fail "$1 logs -f"
  says 'previous terminated container "main" in pod "looked-at" not found' kubectl logs looked-at -c main --previous || fail "$1 logs --previous"

  [ "$(kubectl exec looked-at -c main -- sh -c 'echo out; echo err >&2' 2>/dev/null)" = out ] || fail "$1 exec"
  [ "$(echo through | kubectl exec -i looked-at -c main -- cat)" = through ] || fail "$1 exec -i"
  set +e
  kubectl exec looked-at -c main -- sh -c 'exit 42' 2>/dev/null
  [ $? = 42 ] || fail "$1 exec: the exit status"
  set -e
  [ "$(head -c 300000 /dev/zero | kubectl exec -i looked-at -c main -- wc -c)" = 300000 ] || fail "$1 exec with much input"

  attach "$1"

  head -c 200000 /dev/urandom >"$state/file"
  kubectl cp "$state/file" "default/looked-at:/tmp/file" -c main || fail "$1 cp to the pod"
  kubectl cp "default/looked-at:tmp/file" "$state/back" -c main >/dev/null || fail "$1 cp from the pod"
  cmp "$state/file" "$state/back" || fail "$1 cp changed the file"

  rm -f "$state/forward"  # or the words of the last one are taken for those of the next
  nsenter --net="/run/netns/$tag" timeout 60 "$kubectl_program" port-forward looked-at :8080 >"$state/forward" 2>&1 &
  forward=$!
  await 10 grep -q Forwarding "$state/forward" || fail "$1 port-forward"
  port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$state/forward")
  for _ in 1 2 3; do
    [ "$(on_host curl -s --max-time 5 "http://127.0.0.1:$port/page")" = forwarded ] || fail "$1 port-forward"
  done
  kill $forward
  wait $forward 2>/dev/null || true
}

# What is typed reaches the container, and what it says comes back.
attach() {
  mkfifo "$state/typed"
  nsenter --net="/run/netns/$tag" timeout 60 "$kubectl_program" attach -i looked-at -c talks <"$state/typed" >"$state/heard" 2>/dev/null &
  local pid=$!
  exec 7>"$state/typed"
  await_heard() {
    echo "hello $1" >&7
    grep -q "heard hello $1" "$state/heard"
  }
  await 10 await_heard "$1" || fail "$1 attach"
  kill $pid
  exec 7>&-
  wait $pid 2>/dev/null || true
  rm "$state/typed"
}

# Who may use the node's own API is the API server's to say.
test_access() {
  local url=https://$node_ip:10250 token
  curl_status() { on_host curl -sk -o /dev/null -w '%{http_code}' --max-time 10 "$@"; }
  [ "$(curl_status $url/pods)" = 401 ] || fail "anybody may ask the node"
  [ "$(curl_status $url/healthz)" = 401 ] || fail "anybody may ask for the node's health"
  kubectl create serviceaccount looker >/dev/null
  token=$(kubectl create token looker)
  [ "$(curl_status -H "Authorization: Bearer $token" $url/pods)" = 403 ] || fail "a service account without permission"
  [ "$(curl_status -H "Authorization: Bearer no-token" $url/pods)" = 401 ] || fail "a token that is none"
  kubectl create serviceaccount reader >/dev/null
  kubectl create clusterrole reader --verb=get --resource=nodes/pods,nodes/metrics >/dev/null
  kubectl create clusterrolebinding reader --clusterrole=reader --serviceaccount=default:reader >/dev/null
  token=$(kubectl create token reader)
  [ "$(curl_status -H "Authorization: Bearer $token" $url/pods)" = 200 ] || fail "nodes/pods does not suffice"
  [ "$(curl_status -H "Authorization: Bearer $token" $url/metrics)" = 200 ] || fail "nodes/metrics does not suffice"
  [ "$(curl_status -H "Authorization: Bearer $token" -X POST "$url/run/default/looked-at/main?cmd=id")" = 403 ] ||
    fail "a reader may run commands"
  ok "the node's API is open to whom the API server lets in"
}

# A node is drained as far as the budget lets it, and goes on when the budget does.
test_budget() {
  local budget='{.status.expectedPods} {.status.currentHealthy} {.status.desiredHealthy} {.status.disruptionsAllowed}'
  budget_is() { [ "$(kubectl get pdb guarded -o jsonpath="$budget")" = "$1" ]; }
  kubectl create deployment guarded --image $busybox --replicas 2 -- sleep 3600 >/dev/null
  kubectl patch deployment guarded -p '{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":1}}}}' >/dev/null
  kubectl rollout status deployment guarded --timeout 60s >/dev/null || fail "no deployment"
  kubectl create poddisruptionbudget guarded --selector app=guarded --min-available 50% >/dev/null
  await 20 budget_is '2 2 1 1' || fail "the budget says: $(kubectl get pdb guarded -o yaml)"
  kubectl get pdb guarded | grep -w '50%' >/dev/null || fail "kubectl get pdb"
  # The replacement of the first pod has no node to go to, so the second has to stay.
  says "violate the pod's disruption budget" kubectl drain node-1 --ignore-daemonsets --force --delete-emptydir-data \
    --pod-selector app=guarded --timeout 15s || fail "drain does not wait for the budget"
  await 20 budget_is '2 1 1 0' || fail "the budget says: $(kubectl get pdb guarded -o yaml)"
  [ "$(kubectl get pdb guarded -o jsonpath='{.status.conditions[0].reason}')" = InsufficientPods ] || fail "no condition"
  kubectl patch pdb guarded --type merge -p '{"spec":{"minAvailable":0}}' >/dev/null
  kubectl drain node-1 --ignore-daemonsets --force --delete-emptydir-data --pod-selector app=guarded --timeout 60s \
    >/dev/null 2>&1 || fail "drain does not go on"
  kubectl uncordon node-1 >/dev/null
  kubectl rollout status deployment guarded --timeout 60s >/dev/null || fail "no pods after the drain"
  kubectl delete deployment,pdb guarded >/dev/null
  ok "kubectl drain waits for a PodDisruptionBudget"
}

begin
up >/dev/null || fail "the start"
await 10 kubectl get serviceaccount default || fail "no default service account"
test_sources
test_lives
test_looks
test_access
test_budget
finish
