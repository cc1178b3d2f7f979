#!/usr/bin/env bash
# Walks through the playbook's commands on a copy of a tree: heartbeats, dashboard, reports, tasks, plans, receipts,
# sessions, consensus. The tree itself is not touched.
# Usage: examples/playbook.sh [TREE]    (default: a new, empty repository; TEOF names another binary)
set -euo pipefail
teof=$(realpath "${TEOF:-target/release/teof}")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export HOME=$place/home XDG_STATE_HOME=$place/state XDG_CONFIG_HOME=$place/config
unset TEOF_AGENT TEOF_ROOT
mkdir -p "$HOME" "$place/tree"
git config --global user.name Ada
git config --global user.email ada@example.invalid
[ $# -eq 0 ] || cp -r "$1/." "$place/tree/"
cd "$place/tree"
[ -d .git ] || git init -q -b main
git add -A && git commit -q --allow-empty -m "The tree before teof"

say() { printf '\n\033[1m$ teof %s\033[0m\n' "$*"; }
# Runs a command and shows its first lines; `findings` may exit with 1 as well.
run() { say "$@"; "$teof" "$@" > "$place/out" 2>&1 || { cat "$place/out"; echo "FAILED: teof $*"; exit 1; }; head -12 "$place/out"; }
findings() { say "$@"; local code=0; "$teof" "$@" > "$place/out" 2>&1 || code=$?; head -25 "$place/out"; [ "$code" -le 1 ] || { echo "FAILED: teof $*"; exit 1; }; }

for seat in codex-1 codex-9 manager; do run init --agent "$seat"; done
git add -A && git commit -q -m "Set up teof"
run session-boot --agent codex-1 --no-sync --allow-branch-mismatch --allow-manifest-mismatch --with-status
export TEOF_AGENT=codex-1

# Tasks and plans
run plan new tour --summary "Walk through the playbook" --priority 2 --impact-score 20 --layer L5 --systemic-target S4 \
  --allow-unclaimed --scaffold
plan=$("$teof" plan list --json | sed -n 's/.*"plan_id": *"\([^"]*-tour\)".*/\1/p' | head -1)
run task add TOUR-1 --title "Walk through the playbook"
run task seed TOUR-1 --plan "$plan" --engineer codex-1 --scaffold
run bus claim TOUR-1 --plan "$plan"
run task add TOUR-2 --title "Stage it only"
run task assign TOUR-2 --engineer codex-1 --no-auto-claim
findings task sync --dry-run
findings plan hygiene --check
findings plan hygiene --apply

# Presence
run bus ping --task TOUR-1 --message-task TOUR-1 --summary "working" --meta shift=mid
findings bus heartbeat --manager-window 30 --agent-window 240 --dry-run
findings bus heartbeat --no-bus-event --no-bus-message
run bus status --preset manager
run bus status --preset support --summary
run manager-report --log-heartbeat --heartbeat-shift mid --heartbeat-meta cadence=daily
export TEOF_AGENT=manager
run session-boot --agent manager --no-sync --allow-branch-mismatch --allow-manifest-mismatch
run seat retire codex-9 --reason "dormant"
run seat list
run seat revive codex-9
export TEOF_AGENT=codex-1

# The dashboard
findings dashboard
findings dashboard --format md
findings dashboard --format json
findings dashboard --format html --output "$place/dashboard.html"
findings dashboard report

# Evidence
mkdir -p _report/agent/codex-1
echo "it ran" > _report/agent/codex-1/tour.txt
run receipts add _report/agent/codex-1/tour.txt
run bus event --event status --task TOUR-1 --summary "walked" --receipt _report/agent/codex-1/tour.txt
run receipts index --output receipts-index.jsonl
run receipts metrics --output receipts-latency.jsonl
findings receipts hygiene

# Consensus
run bus event --event status --task TOUR-1 --summary "decided" --consensus-decision TOUR-D1
run consensus record TOUR-D2 --summary "a second one" --receipt _report/agent/codex-1/tour.txt
run consensus ledger --limit 5
findings consensus dashboard --format table
findings consensus sweep
findings consensus escalate
findings consensus weekly

# The session
[ ! -f docs/quick-links.json ] || run links list
findings session brief TOUR-1 --preset operator --output _report/agent/codex-1/session_brief/operator.json
run session wrap --worked "the tour" --stalled "nothing" --nudge "walk again"
run bus release TOUR-1 --status done
findings check
printf '\nEvery command ran.\n'
