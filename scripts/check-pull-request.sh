#!/usr/bin/env bash
# What action.yml runs on a pull request: preflight, and the receipts of every commit, with annotations.
# BASE and HEAD_COMMIT: the range; RECEIPTS: all, jobs or off; RECORD: where the record is, where it is not found by itself.
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
# The pull request can bring a record of its own, so only one that it cannot change counts: the record's branch, else that of
# the branch it is for.
record_of() {
  local ref
  for ref in "${RECORD:-}" ${remote:+"refs/remotes/$remote/teof/record"} refs/heads/teof/record \
    ${GITHUB_BASE_REF:+${remote:+"refs/remotes/$remote/$GITHUB_BASE_REF"}}; do
    if [ -n "$ref" ] && git rev-parse --quiet --verify "$ref^{commit}" >/dev/null; then
      echo "$ref"
      return
    fi
  done
  echo "$BASE"
}
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
  teof verify "$BASE..$head" --record "$(record_of)" --unapproved --format github "${require[@]}" || code=1
fi
exit "$code"
