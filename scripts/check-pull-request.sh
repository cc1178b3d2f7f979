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
ledger=_report/receipts.jsonl
has_ledger() {
  git cat-file -e "$1:$ledger" 2>/dev/null
}
lines_of() {
  git show "$1:$ledger" | LC_ALL=C sort -u
}
# Whether a ref has every line of the base's ledger.
goes_on() {
  ! has_ledger "$BASE" || [ -z "$(LC_ALL=C comm -23 <(lines_of "$BASE") <(lines_of "$1"))" ]
}
# The pull request can bring a record of its own, so only one that it cannot change counts: the record's branch, else that of
# the branch it is for. Where the latter has a record, anybody may have pushed a branch with the name of the record's: it must go
# on from that record.
record_of() {
  local ref other=
  if [ -n "${RECORD:-}" ] && git rev-parse --quiet --verify "$RECORD^{commit}" >/dev/null; then
    echo "$RECORD"
    return
  fi
  for ref in ${remote:+"refs/remotes/$remote/teof/record"} refs/heads/teof/record; do
    if has_ledger "$ref"; then
      if goes_on "$ref"; then
        echo "$ref"
        return
      fi
      other=$ref
    fi
  done
  if [ -n "$other" ]; then
    echo "teof/record does not go on from the record of $BASE: update the branch, or name the ref of the record (record: REF)" >&2
    return 1
  fi
  ref=${GITHUB_BASE_REF:+${remote:+"refs/remotes/$remote/$GITHUB_BASE_REF"}}
  if [ -n "$ref" ] && has_ledger "$ref"; then
    echo "$ref"
  else
    echo "$BASE"
  fi
}
code=0
if [ -d _report ]; then
  teof preflight full --format github --base "$BASE" || code=1
elif [ -n "$remote" ] && has_ledger "refs/remotes/$remote/teof/record"; then
  record=$(mktemp -d)
  git worktree add --quiet --detach "$record/record" "refs/remotes/$remote/teof/record"
  teof --root "$record/record" preflight full --format github || code=1
  git worktree remove --force "$record/record"
fi
if [ "${require[*]}" != off ]; then
  if record=$(record_of 2>&1); then
    teof verify "$BASE..$head" --record "$record" --unapproved --format github "${require[@]}" || code=1
  else
    echo "::error title=teof verify::$record"
    code=1
  fi
fi
exit "$code"
