#!/bin/sh
# Plays the scenarios of tests/kind on a real Kubernetes: that of $KUBECONFIG, else one that `kind` makes and removes.
#
#   tools/test_kind.sh PYTHON [PATTERN ...]
set -eu

IMAGE=kindest/node:v1.35.0
NAME=timonel-scenarios
python=$1
shift

stop() {
  echo "make test-kind: $1" >&2
  echo "The same scenarios run on any cluster: KUBECONFIG=... make test-kind" >&2
  exit 1
}

if [ -z "${KUBECONFIG:-}" ]; then
  command -v kind >/dev/null || stop "the program kind is not here (https://kind.sigs.k8s.io)"
  command -v docker >/dev/null || stop "Docker is not here, and kind runs its nodes on it"
  docker image inspect "$IMAGE" >/dev/null 2>&1 || docker pull "$IMAGE" || stop "the node image $IMAGE cannot be had"
  KUBECONFIG=$(mktemp)
  export KUBECONFIG
  trap 'kind delete cluster --name "$NAME"; rm -f "$KUBECONFIG"' EXIT INT TERM
  kind create cluster --name "$NAME" --image "$IMAGE" --wait 120s || stop "kind could not make a cluster"
fi
"$python" -m tests.kind "$@"
