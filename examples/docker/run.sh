#!/usr/bin/env bash
# Tries the docker executor with a real engine, as the user who runs this, without a virtual machine.
#
# Needs: Linux, an engine that this user may use, git, python3, and a static busybox (Debian: busybox-static), of which
# it makes an image; no registry is asked. It writes to the folder --work only, which it makes anew, and removes its
# containers and its image at the end. The checks are those of ../vm.
#
# Usage: examples/docker/run.sh [--teof PATH] [--work FOLDER] [--engine docker|podman] [--only whole_job,memory]
#                               [--stop-engine COMMAND --start-engine COMMAND]
# With both commands, such as 'sudo systemctl stop docker.socket docker', it also stops the engine while a job runs.
# Other containers of the engine stop too. Prints a line for each check and one with what was seen; exit code 1 when
# one fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
teof=$(command -v teof || true) work=${TMPDIR:-/tmp}/teof-docker-$(id -u) engine=docker more=()
while [ $# -gt 0 ]; do
  case $1 in
  --teof) teof=${2-} ;;
  --work) work=${2-} ;;
  --engine) engine=${2-} ;;
  --only | --stop-engine | --start-engine) more+=("$1" "${2-}") ;;
  *) sed -n '2,/^set -/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
  esac
  shift 2
done
fail() { echo "error: $1" >&2; exit 2; }
[ -x "$teof" ] || fail "no teof at '$teof': name it with --teof"
busybox=${BUSYBOX:-$(command -v busybox || true)}
[ -n "$busybox" ] || fail "busybox is missing"
for program in "$engine" git python3; do command -v "$program" >/dev/null || fail "$program is missing"; done
"$engine" version >/dev/null || fail "no engine answers, or this user may not use it"
exec env PYTHONDONTWRITEBYTECODE=1 BUSYBOX="$busybox" python3 "$here/checks.py" "$work" "$teof" --engine "$engine" "${more[@]}"
