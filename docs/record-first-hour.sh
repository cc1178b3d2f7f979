#!/usr/bin/env bash
# Records docs/first-hour.md: the first commands in an existing repository with uncommitted edits, in a terminal.
# Usage: docs/record-first-hour.sh [teof]    (needs tmux and git; the agent is a script)
set -euo pipefail
teof=$(realpath "${1:-target/release/teof}")
page=$(realpath "$(dirname "$0")")/first-hour.md
place=$(mktemp -d)
trap 'tmux -L first-hour kill-server 2>/dev/null || true; rm -rf "$place"' EXIT

export HOME=$place/home XDG_STATE_HOME=$place/state XDG_CONFIG_HOME=$place/config XDG_DATA_HOME=$place/data
unset TEOF_AGENT TEOF_ROOT NO_COLOR
mkdir -p "$HOME" "$place/bin"
ln -s "$teof" "$place/bin/teof"
cat > "$place/bin/claude" <<'AGENT'
#!/bin/sh
[ "$1" = --version ] && { echo "2.1.332 (Claude Code)"; exit; }
prompt=$(cat)
sleep 1
verdict=
case $prompt in
"# Plan "*) said="Describe the grammar in docs/parser.md, with one example." ;;
"# Review "*) said="Short and true, with an example that runs."; verdict='\"verdict\": \"approve\", \"confidence\": 94, ' ;;
*) mkdir -p docs; printf '# The parser\n\nReads `key = value`, one pair a line.\n' > docs/parser.md; said="Wrote docs/parser.md." ;;
esac
answer="{\\\"analysis\\\": \\\"$said\\\", $verdict\\\"findings\\\": [], \\\"commands\\\": [], \\\"receipts\\\": []}"
printf '%s\n' '{"type":"system","subtype":"init","session_id":"s1","model":"m"}'
printf '%s\n' "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"$answer\",\"usage\":{\"input_tokens\":4200,\"output_tokens\":310},\"total_cost_usd\":0.02}"
AGENT
chmod +x "$place/bin/claude"
export PATH=$place/bin:$PATH
git config --global user.name Ada
git config --global user.email ada@example.org
git config --global init.defaultBranch main
git init -q "$place/project"
cd "$place/project"
printf 'test:\n\ttest -f src/parser.c\n' > Makefile
mkdir src
echo 'int parse(void);' > src/parser.c
git add -A
git commit -qm "A parser"
echo '// half an idea' >> src/parser.c

mux() { tmux -L first-hour "$@"; }
screen() { mux capture-pane -pt 0 -S - | sed -e "s|$place|~|g" -e 's/[ \t]*$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; }
wait_for() { # until the screen shows it, a minute at most
  for _ in $(seq 600); do screen | grep -qF "$1" && return; sleep 0.1; done
  echo "never seen: $1" >&2
  screen >&2
  exit 1
}
shot() { printf '\n## %s\n\n%s\n\n```text\n' "$1" "$2"; screen; printf '```\n'; mux send-keys -t 0 "clear; tmux -L first-hour clear-history" Enter; wait_for "$"; sleep 0.3; }

mux new-session -d -x 80 -y 40 "PS1='$ ' bash --norc --noprofile"
wait_for "$"
began=$(date +%s)
{
  printf '# The first hour\n\nRecorded by `docs/record-first-hour.sh` in an existing repository with an uncommitted edit.\n'
  printf 'The agent is a script that stands in for `claude`; everything else is real. Terminals of 80 columns.\n'
  mux send-keys -t 0 "teof init" Enter; wait_for "Set it up?"; mux send-keys -t 0 Enter; wait_for "Committed"
  shot "Set up" '`teof init` shows what it found and what it will do, and asks once.'
  mux send-keys -t 0 'teof do "Document the parser"' Enter; wait_for "[Y/n]"; mux send-keys -t 0 Enter; wait_for "[q]uit:"
  mux send-keys -t 0 d Enter; wait_for "+# The parser"; mux send-keys -t 0 a Enter; wait_for "merged to main"
  shot "One job, and the decision" '`teof do` plans, codes, tests and reviews. Nothing is merged before you say so.'
  mux send-keys -t 0 "git log --oneline; git status --short; teof status; teof report" Enter; wait_for "Merged"; sleep 1
  shot "What is there now" 'One commit on your branch, your own edit untouched, and the record on its own branch.'
} > "$page.new"
printf '\nFrom the first command to here: %s seconds.\n' "$(($(date +%s) - began))" >> "$page.new"
mv "$page.new" "$page"
