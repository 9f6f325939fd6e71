#!/bin/bash
# Runs docker compose. On a machine without docker, it runs the compose binary over the podman that containers.sh prepared.
# podman's service then lives as long as the command.
set -euo pipefail
tools="$(dirname "$(realpath "$0")")/.tools/containers"
[ -e "$tools/env" ] || exec docker compose "$@"
. "$tools/env"
if [ "${1-}" = build ]; then
  # Compose builds with BuildKit, which podman lacks. npm uses the registry settings of this machine.
  npmrc=()
  [ -e ~/.npmrc ] && npmrc=(-v ~/.npmrc:/root/.npmrc:ro)
  podman build --quiet --pull=never --layers=false --format docker --isolation chroot --network host "${npmrc[@]}" \
    -f deploy/Dockerfile -t docker.io/library/sls-siem-bridge .
  exec podman image prune --force
fi
run=$(mktemp -d)
podman system service --time=0 "unix://$run/podman.sock" 2>"$run/log" &
service=$!
trap 'kill $service 2>/dev/null || true; wait $service || true; rm -r "$run"' EXIT
until [ -S "$run/podman.sock" ]; do
  kill -0 $service 2>/dev/null || { cat "$run/log" >&2; exit 1; }
  sleep 0.1
done
DOCKER_HOST="unix://$run/podman.sock" "$tools/docker-compose" "$@"
