#!/bin/bash
# Installs third-party software into test/conformance/.tools: the official SLS clients with the programs that drive them, npm's
# HEC clients (part node), an OpenTelemetry Collector (part otel; two or three minutes the first time), Debian's rsyslog and
# syslog-ng (part syslog), and two parsers of syslog (parts go-syslog and vrl). Idempotent: it builds a part again only when its
# files changed. CONFORMANCE=python,go,java,node,otel,syslog,go-syslog,vrl chooses parts; the default is all.
set -euo pipefail
cd "$(dirname "$0")"
parts=",${CONFORMANCE-python,go,java,node,otel,syslog,go-syslog,vrl},"
mkdir -p .tools

chosen() { [[ "$parts" == *",$1,"* ]]; }

# Reports a missing toolchain. The tests that need it then fail and name it.
have() {
  for tool in "${@:2}"; do
    command -v "$tool" >/dev/null && continue
    echo "conformance: $tool is not installed; the $1 tests will fail (leave $1 out of CONFORMANCE to do without)" >&2
    return 1
  done
}

fresh() { [[ "$(cat ".tools/$1.stamp" 2>/dev/null)" == "$(stamp "$1")" ]]; }
stamp() { cat "$1"/* install.sh | cksum; }
done_with() { stamp "$1" >".tools/$1.stamp"; }

if chosen python && ! fresh python && have python python3; then
  rm -rf .tools/python .tools/python.stamp
  python3 -m venv .tools/python
  .tools/python/bin/pip install --quiet --disable-pip-version-check --requirement python/requirements.txt
  done_with python
fi

if chosen go && ! fresh go && have go go; then
  rm -f .tools/go.stamp
  go build -C go -o ../.tools/conformance-go .
  done_with go
fi

if chosen java && ! fresh java && have java mvn javac java; then
  rm -rf .tools/java .tools/java.stamp
  mvn --quiet --batch-mode --file java/pom.xml dependency:copy-dependencies "-DoutputDirectory=$PWD/.tools/java"
  javac -XDsuppressNotes -d .tools/java -cp '.tools/java/*' java/*.java
  done_with java
fi

if chosen node && ! fresh node && have node npm; then
  rm -rf .tools/node .tools/node.stamp
  mkdir .tools/node
  cp node/package.json .tools/node
  npm install --prefix .tools/node --silent --no-package-lock --ignore-scripts --no-audit --no-fund
  done_with node
fi

if chosen otel && ! fresh otel && have otel go; then
  rm -rf .tools/otel .tools/otel.stamp
  go run go.opentelemetry.io/collector/cmd/builder@v0.157.0 --config otel/manifest.yaml
  done_with otel
fi

# Unpacked and not installed: the two exclude each other in Debian, and no service is to be started.
if chosen syslog && ! fresh syslog && have syslog apt-get dpkg; then
  rm -rf .tools/syslog .tools/syslog.stamp
  mkdir -p .tools/syslog/packages
  (
    cd .tools/syslog/packages
    # shellcheck disable=SC2046
    apt-get -qq download $(cat ../../../syslog/packages.txt) 2>/dev/null ||
      { apt-get -qq -o DPkg::Lock::Timeout=600 update && apt-get -qq download $(cat ../../../syslog/packages.txt); }
  )
  for package in .tools/syslog/packages/*.deb; do dpkg -x "$package" .tools/syslog; done
  done_with syslog
fi

if chosen go-syslog && ! fresh go-syslog && have go-syslog go; then
  rm -f .tools/go-syslog .tools/go-syslog.stamp
  go build -C go-syslog -o ../.tools/go-syslog .
  done_with go-syslog
fi

if chosen vrl && ! fresh vrl && have vrl python3; then
  rm -rf .tools/vrl .tools/vrl.stamp
  python3 -m venv .tools/vrl
  .tools/vrl/bin/pip install --quiet --disable-pip-version-check --requirement vrl/requirements.txt
  done_with vrl
fi
