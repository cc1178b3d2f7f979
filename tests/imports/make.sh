#!/usr/bin/env bash
# Makes the fixtures of the importers' tests again, with the tools themselves. On PATH: backlog (npm backlog.md),
# task-master (npm task-master-ai), task (taskwarrior), and with BEADS=1 bd (beads). With VIBE_MIGRATIONS (the folder
# crates/db/migrations of vibe-kanban's source) and a sqlite3 of 3.42 or newer, the schema of vibe-kanban: its server
# needs a browser, so the rows are written by hand.
#
# With gh and a teof (TEOF), github-issues/ too: against the stand-in for GitHub of examples/forge.
#
# Not made by their tools: beads/ (where BEADS is not set) and symphony/, which are written by hand after their formats.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work/home NO_COLOR=1
mkdir -p "$HOME"

# Backlog.md
mkdir "$work/backlog" && cd "$work/backlog" && git init -q .
backlog init Demo --defaults >/dev/null 2>&1
backlog task create "Parse the header" -d "Read the first line." --priority high --ac "Empty files are refused" -l parser >/dev/null
backlog task create "Write the footer" -s "In Progress" --dep task-1 --priority low >/dev/null
backlog task create "Ship: it's \"done\"" -s Done >/dev/null
backlog task create "Check the header" -p task-1 >/dev/null
rm -rf "$here/backlog.md" && mkdir -p "$here/backlog.md" && cp -r backlog "$here/backlog.md/"
find "$here/backlog.md" -type d -empty -delete

# task-master
mkdir "$work/taskmaster" && cd "$work/taskmaster" && git init -q .
task-master init -y --name=Demo --rules=claude --no-git --no-aliases >/dev/null 2>&1 </dev/null || true
mkdir -p .taskmaster/tasks
# What task-master starts from; it makes tasks of a document with a model, or one by one.
echo '{"master":{"tasks":[],"metadata":{"description":"Demo"}}}' > .taskmaster/tasks/tasks.json
task-master add-task --title="Parse the header" --description="Read the first line." --details="UTF-8 only." --priority=high >/dev/null
task-master add-task --title="Write the footer" --description="Last line." --dependencies=1 --priority=low >/dev/null
task-master add-subtask --parent=1 --title="Check the header" --description="Refuse empty files." >/dev/null
task-master add-task --title="Ship it" --description="Out." --dependencies=2 >/dev/null
task-master set-status --id=3 --status=done >/dev/null
rm -rf "$here/taskmaster" && mkdir -p "$here/taskmaster/.taskmaster/tasks" && cp .taskmaster/tasks/tasks.json "$here/taskmaster/.taskmaster/tasks/"

# taskwarrior
mkdir -p "$HOME/.task" && echo "data.location=$HOME/.task" > "$HOME/.taskrc" && export TASKRC=$HOME/.taskrc
task rc.confirmation=off rc.verbose=nothing add project:demo priority:H +parser "Parse the header"
task rc.confirmation=off rc.verbose=nothing add project:demo priority:L depends:1 "Write the footer"
task rc.confirmation=off rc.verbose=nothing 1 annotate "Read the first line."
task rc.confirmation=off rc.verbose=nothing 2 start
for title in "Ship it" "Not wanted"; do task rc.confirmation=off rc.verbose=nothing add "$title"; done
task rc.confirmation=off rc.verbose=nothing description:"Ship it" done
task rc.confirmation=off rc.verbose=nothing description:"Not wanted" delete
mkdir -p "$here/taskwarrior" && task rc.verbose=nothing export > "$here/taskwarrior/tasks.json"

# vibe-kanban
if [ -n "${VIBE_MIGRATIONS:-}" ]; then
  db=$work/vibe.sqlite
  # Each in a transaction, as its server runs them.
  for migration in "$VIBE_MIGRATIONS"/*.sql; do (echo "BEGIN;"; cat "$migration"; echo "; COMMIT;") | sqlite3 "$db"; done
  tables="SELECT sql || ';' FROM sqlite_schema WHERE type = 'table' AND name IN ('projects', 'tasks') ORDER BY name"
  { sqlite3 "$db" "$tables"; grep "^INSERT" "$here/vibe-kanban/db.sql"; } > "$work/db.sql"
  cp "$work/db.sql" "$here/vibe-kanban/db.sql"
fi

# beads
if [ -n "${BEADS:-}" ]; then
  mkdir "$work/beads" && cd "$work/beads" && git init -q . && bd init -p demo -q
  header=$(bd create "Parse the header" -d "Read the first line." -p 1 -t task --silent)
  footer=$(bd create "Write the footer" -p 3 -t feature --silent)
  bd dep add "$footer" "$header" -q && bd update "$footer" --status in_progress -q
  bd close "$(bd create "Ship it" -p 2 --silent)" -r "out" -q
  mkdir -p "$here/beads" && bd export -o "$here/beads/issues.jsonl"
fi

# GitHub
if command -v gh >/dev/null && [ -n "${TEOF:-}" ]; then
  "$here/../../examples/forge/run.sh" --issues "$here/github-issues/issues.json"
fi
