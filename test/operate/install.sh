#!/bin/bash
# Installs third-party software for the operations tests: Prometheus with promtool, and Chromium, from Debian; playwright-core
# and Grafana's own types from npm, into test/operate/.tools; docker compose, see containers.sh. Idempotent. OPERATE=prometheus,pm2
# chooses parts; the default is all. Each part is one block. It installs what is missing and reports what it cannot install.
set -euo pipefail
cd "$(dirname "$0")"
parts=",${OPERATE-prometheus,grafana,chromium,systemd,pm2,kubernetes,containers},"
mkdir -p .tools
echo '*' >.tools/.gitignore

chosen() { [[ "$parts" == *",$1,"* ]]; }

# debian PART COMMAND PACKAGE...: installs a missing command, or reports it; the tests that need it then fail.
debian() {
  local part=$1 command=$2
  shift 2
  command -v "$command" >/dev/null && return
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "operate: please install $command (Debian: $*); the $part tests will fail (leave $part out of OPERATE to do without)" >&2
    return
  fi
  local apt=(apt-get -o DPkg::Lock::Timeout=600 -qq)
  "${apt[@]}" update
  # Starts no service: the machine's own Prometheus would take a port and read /etc.
  RUNLEVEL=1 "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null
}

# npm_package PART NAME VERSION
npm_package() {
  [ "$(sed -n 's/^  "version": "\(.*\)",$/\1/p' ".tools/$1/node_modules/$2/package.json" 2>/dev/null)" = "$3" ] && return
  command -v npm >/dev/null || { echo "operate: npm is not installed; the $1 tests will fail" >&2; return; }
  mkdir -p ".tools/$1"
  echo '{ "private": true }' >".tools/$1/package.json"
  npm install --prefix ".tools/$1" --silent --no-package-lock --ignore-scripts --no-audit --no-fund "$2@$3"
}

if chosen prometheus; then
  debian prometheus promtool prometheus
fi

if chosen grafana; then
  npm_package grafana @grafana/schema 13.2.3
fi

if chosen chromium; then
  debian chromium chromium chromium fonts-dejavu-core
  npm_package chromium playwright-core 1.65.1
fi

if chosen systemd; then
  debian systemd systemd-analyze systemd
fi

if chosen pm2; then
  npm_package pm2 pm2 7.0.4
fi

# Schemas and types of the kinds in deploy/kubernetes, together because they import one another; a parser; and kustomize, a Go
# module that takes a minute or two to build.
kubernetes=(kubernetes-models@5.1.0 @kubernetes-models/keda@2.0.0 @kubernetes-models/prometheus-operator@6.0.0 yaml@2.9.1)
kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
if chosen kubernetes && [ "$(cat .tools/kubernetes/stamp 2>/dev/null)" != "${kubernetes[*]} $kustomize" ]; then
  if command -v npm >/dev/null && command -v go >/dev/null; then
    mkdir -p .tools/kubernetes
    echo '{ "private": true, "type": "module" }' >.tools/kubernetes/package.json
    npm install --prefix .tools/kubernetes --silent --no-package-lock --ignore-scripts --no-audit --no-fund "${kubernetes[@]}"
    GOBIN="$PWD/.tools/kubernetes" go install "$kustomize"
    echo "${kubernetes[*]} $kustomize" >.tools/kubernetes/stamp
  else
    echo "operate: npm and go are needed; the kubernetes tests will fail (leave kubernetes out of OPERATE to do without)" >&2
  fi
fi

if chosen containers; then
  . ./containers.sh
  containers
fi
