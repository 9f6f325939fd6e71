#!/bin/bash
# Part of install.sh: docker compose, its engine, and the base images. If the machine has all of them, nothing is done.
# Otherwise this installs podman with its own store, builds compose from its Go module, and builds stand-ins for the base images
# from this machine's Debian, Node and Prometheus, under the images' names. Grafana has no stand-in. .tools/containers/env names
# the results; without that file compose.sh uses docker.
compose=github.com/docker/compose/v5@v5.4.0
node_image=$(sed -n 's/^FROM \(.*\) AS build$/\1/p' ../../deploy/Dockerfile)
prometheus_image=$(sed -n 's/^    image: \(prom\/.*\)$/\1/p' ../../docker-compose.yml)

docker_has() { docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" >/dev/null 2>&1; }

# The separate store keeps a stand-in from replacing the real image on this machine. It is not below the tests, or the search for
# tests would walk through a Debian. The other settings avoid systemd, limits that a sandbox does not grant, locks of another
# store on this machine, and a process that waits for minutes after an exec.
podman_configuration() {
  local folder="$PWD/.tools/containers" store=/var/lib/sls-siem-bridge-operate run=/run/sls-siem-bridge-operate driver=overlay
  # Overlays cannot be nested inside a container. Full copies are slow but always work.
  [ "$(stat --file-system --format %T /var/lib)" != overlayfs ] || driver=vfs
  cat >.tools/containers/storage.conf <<END
[storage]
driver = "$driver"
graphroot = "$store"
runroot = "$run"
END
  cat >.tools/containers/containers.conf <<END
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
exit_command_delay = 10
lock_type = "file"
tmp_dir = "$run/libpod"
[network]
network_backend = "netavark"
network_config_dir = "$store/networks"
END
  echo "export CONTAINERS_CONF='$folder/containers.conf' CONTAINERS_STORAGE_CONF='$folder/storage.conf'" >.tools/containers/env
}

# In its own folder, because `go install` refuses modules with exclude directives.
compose_binary() {
  local source
  source=$(go mod download -json "$compose" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  go build -C "$source" -trimpath -ldflags '-s -w' -o "$PWD/.tools/containers/docker-compose" ./cmd
}

# One system image with two names. It has the repository's Node, and this machine's certificates so that npm reaches its registry.
stand_ins() {
  local npm prometheus system=.tools/containers/system.tar
  npm=$(dirname "$(dirname "$(realpath "$(command -v npm)")")")
  prometheus=$(command -v prometheus)
  mmdebstrap --quiet --variant=essential --include=libstdc++6 \
    --customize-hook="cp '$PWD/../../node_modules/.bin/node' '$prometheus' \"\$1/usr/local/bin\"" \
    --customize-hook="mkdir -p \"\$1/usr/local/lib/node_modules\" && cp -R '$npm' \"\$1/usr/local/lib/node_modules/npm\"" \
    --customize-hook='ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"' \
    --customize-hook='install -D -m 644 -t "$1/etc/ssl/certs" /etc/ssl/certs/ca-certificates.crt' \
    --customize-hook='install -d -o 65534 -g 65534 "$1/prometheus"' \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$system"
  podman import --quiet --change ENV=NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    "$system" "docker.io/library/$node_image" >/dev/null
  podman import --quiet --change USER=65534 --change 'ENTRYPOINT=["/usr/local/bin/prometheus"]' \
    --change 'CMD=["--config.file=/etc/prometheus/prometheus.yml","--storage.tsdb.path=/prometheus"]' \
    "$system" "docker.io/$prometheus_image" >/dev/null
  rm "$system"
}

containers() {
  mkdir -p .tools/containers
  if docker compose version >/dev/null 2>&1 && docker_has "$node_image" && docker_has "$prometheus_image"; then
    rm -f .tools/containers/env
    return
  fi
  debian containers podman podman runc netavark aardvark-dns iptables
  debian containers mmdebstrap mmdebstrap
  debian containers prometheus prometheus
  local command stamp
  for command in podman mmdebstrap prometheus npm go; do
    command -v "$command" >/dev/null && continue
    echo "operate: neither docker compose nor $command is here; the containers tests will fail (leave containers out of OPERATE to do without)" >&2
    return
  done
  podman_configuration
  . .tools/containers/env
  stamp="$compose $node_image $(../../node_modules/.bin/node --version) $prometheus_image"
  [ "$(cat .tools/containers/stamp 2>/dev/null)" = "$stamp" ] && podman image exists "docker.io/$prometheus_image" && return
  compose_binary
  stand_ins
  echo "$stamp" >.tools/containers/stamp
}
