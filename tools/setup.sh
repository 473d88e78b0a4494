#!/bin/sh
# Installs what a target needs and starts what it runs on. Every step is quick and harmless when it is done already.
#
#   setup.sh python PYTHON VENV   a virtual environment with the project in it
#   setup.sh dev VENV             the development tools in that environment
#   setup.sh docker               a Docker daemon that answers, and what pods' images are built from
#   setup.sh etcd                 an etcd server binary
#   setup.sh test                 all that the tests need
set -eu

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Debian's packages that are missing, in one go.
packages() {
  missing=""
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
  done
  [ -z "$missing" ] && return
  have apt-get || fail "please install:$missing"
  [ "$(id -u)" = 0 ] || fail "please install:$missing (sudo apt-get install$missing)"
  say "installing$missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 ||
    { apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends $missing >/dev/null; } ||
    fail "apt-get could not install$missing; try it by hand to see why"
}

python() {
  have "$1" || packages python3
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed, $1 is older"
  "$1" -c 'import ensurepip, venv' 2>/dev/null || packages python3-venv
  [ -x "$2/bin/python" ] || { say "making the virtual environment $2"; "$1" -m venv "$2"; }
  say "installing timonel into $2"
  "$2/bin/pip" install --quiet --disable-pip-version-check -e .
  # pip compiles no editable project: without this, the first cluster, or where Python may write no bytecode every one, starts a second later
  "$2/bin/python" -m compileall -q timonel master node_agent
}

dev() {
  [ -e "$1/.installed-dev" ] && [ ! pyproject.toml -nt "$1/.installed-dev" ] && return
  say "installing the development tools into $1"
  "$1/bin/pip" install --quiet --disable-pip-version-check -e '.[dev]'
  touch "$1/.installed-dev"
}

docker() {
  if ! answers; then
    [ "$(id -u)" = 0 ] || fail "no Docker daemon answers: install Docker Engine (sudo apt-get install docker.io), start it, and be allowed to use it (group docker)"
    have dockerd || packages docker.io
    start_dockerd
  fi
  [ "$(id -u)" = 0 ] || return 0
  # nft and iptables make the pods' network; the compiler makes the smallest pause program, which starts pods quickest.
  packages iptables nftables busybox-static gcc libc6-dev
}

answers() {
  curl -s -m 5 --unix-socket /var/run/docker.sock http://docker/_ping >/dev/null 2>&1 ||
    python3 - <<'PY' 2>/dev/null
import http.client, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(5)
    s.connect("/var/run/docker.sock")
    s.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
    sys.exit(b" 200 " not in s.recv(64))
PY
}

start_dockerd() {
  say "starting the Docker daemon"
  if [ -d /run/systemd/system ]; then
    systemctl start docker
  else
    mkdir -p /var/log
    setsid nohup dockerd >/var/log/dockerd.log 2>&1 </dev/null &
  fi
  tries=0
  until answers; do
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || fail "the Docker daemon does not answer after 30 s; see its log (/var/log/dockerd.log or journalctl -u docker)"
    sleep 0.2
  done
}

etcd() { have etcd || packages etcd-server; }

kubectl() { have kubectl || packages kubernetes-client; }

# What cannot be had here is told; the tests that need it skip themselves and say why.
test_needs() {
  for need in "packages git iproute2 nftables" docker etcd kubectl; do
    # shellcheck disable=SC2086
    ($need) || say "the tests that need this will be skipped"
  done
}

command=$1
shift
[ "$command" = test ] && command=test_needs
"$command" "$@"
