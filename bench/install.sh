#!/bin/bash
# Installs the rivals into bench/.tools: the vendor's Python SDK on CPython, and on PyPy if pypy3 is installed (Debian: pypy3
# pypy3-venv pypy3-dev and a C compiler; installed automatically as root). Idempotent.
set -euo pipefail
cd "$(dirname "$0")"
requirements=../test/conformance/python/requirements.txt
mkdir -p .tools

environment() { # name, interpreter
  [[ "$(cat ".tools/$1.stamp" 2>/dev/null)" == "$(cksum <"$requirements")" ]] && return
  command -v "$2" >/dev/null || {
    echo "bench: $2 is not installed; the sample does not run on it" >&2
    return
  }
  rm -rf ".tools/$1"
  "$2" -m venv ".tools/$1"
  ".tools/$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
  cksum <"$requirements" >".tools/$1.stamp"
}

if ! command -v pypy3 >/dev/null && [[ $EUID == 0 ]] && command -v apt-get >/dev/null; then
  apt-get update -qq && apt-get install -y -qq --no-install-recommends pypy3 pypy3-venv pypy3-dev gcc libc6-dev >/dev/null || true
fi
environment cpython python3
environment pypy pypy3
