#!/usr/bin/env bash
# Installs what the tests with real drivers need and this machine lacks.
# A test whose tool cannot be had is skipped by name, with the reason; so no failure here ends the run.
set -uo pipefail
export DEBIAN_FRONTEND=noninteractive
wanted=()
root=()
command -v cc > /dev/null || wanted+=(gcc libc6-dev)
python3 -c 'import ensurepip, venv' 2> /dev/null || wanted+=(python3-venv)
command -v openssl > /dev/null || wanted+=(openssl)
command -v npm > /dev/null || wanted+=(nodejs npm)
command -v go > /dev/null || wanted+=(golang-go)
command -v mvn > /dev/null || wanted+=(maven)
compgen -G '/usr/lib/jvm/*-17-*/bin/java' > /dev/null || wanted+=(openjdk-17-jdk-headless)
command -v valgrind > /dev/null || wanted+=(valgrind libc6-dbg)
[ "${#wanted[@]}" -eq 0 ] && exit 0
[ "$(id -u)" -eq 0 ] || root=(sudo -n)
echo "installing ${wanted[*]}"
"${root[@]}" apt-get update -qq && "${root[@]}" apt-get install -y -qq --no-install-recommends "${wanted[@]}" ||
    echo "some tools are missing; the tests that need them say so"
