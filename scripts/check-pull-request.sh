#!/usr/bin/env bash
# What action.yml runs on a pull request: preflight, and the receipts of every commit, with annotations.
# BASE and HEAD_COMMIT: the range; RECEIPTS: all, jobs or off.
set -euo pipefail
case "${RECEIPTS:-all}" in
all) require=(--require) ;;
jobs) require=() ;;
off) require=(off) ;;
*) echo "receipts: all, jobs or off" >&2; exit 2 ;;
esac
head=${HEAD_COMMIT:-HEAD}
remote=$(git remote | head -n 1)
# The record may have a branch of its own; without one, the branch that is checked out has it.
if [ -n "$remote" ]; then
  git fetch --quiet "$remote" "+refs/heads/teof/record:refs/remotes/$remote/teof/record" 2>/dev/null || true
fi
code=0
if [ -d _report ]; then
  teof preflight full --format github --base "$BASE" || code=1
elif [ -n "$remote" ] && git rev-parse --quiet --verify "refs/remotes/$remote/teof/record" >/dev/null; then
  record=$(mktemp -d)
  git worktree add --quiet --detach "$record/record" "refs/remotes/$remote/teof/record"
  teof --root "$record/record" preflight full --format github || code=1
  git worktree remove --force "$record/record"
fi
if [ "${require[*]}" != off ]; then
  teof verify "$BASE..$head" --unapproved --format github "${require[@]}" || code=1
fi
exit "$code"
