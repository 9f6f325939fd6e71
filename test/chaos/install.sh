#!/bin/bash
# What the chaos tests need of the machine, by name: network namespaces, packet filters, a clock that can be set.
set -euo pipefail
need=()
command -v ip >/dev/null && command -v ss >/dev/null || need+=(iproute2)
command -v iptables >/dev/null || [ -x /usr/sbin/iptables ] || need+=(iptables)
command -v nsenter >/dev/null && command -v mount >/dev/null || need+=(util-linux mount)
ls /usr/lib/*-linux-gnu/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || need+=(libfaketime)
[ ${#need[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "chaos: please install ${need[*]}; the tests run as root, for network namespaces and mounts" >&2
  exit 1
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
