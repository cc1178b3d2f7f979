#!/usr/bin/env bash
# Takes the pictures of `teof top`, light and dark, of the repository in the current folder. Called by
# docs/record-screens.sh, which prepares one.
# before/ has the first version: nobody who saw only the picture found how to approve, or that `Tab` moves; titles
# touched the costs; tools were shown as JSON; and the name was that of the record's folder. And of the second one: two
# sums for today, commands to type on a phone, and bars that hid a job that waits for a person.
# Usage: record-terminal.sh    (needs teof in PATH, tmux, python3 and chromium)
set -euo pipefail
here=$(realpath "$(dirname "$0")")
place=$(mktemp -d)
# A server of its own for each size: one that is ending cannot be asked for a new session.
mux() { tmux -L "teof-screens-$columns" "$@"; }
columns=0 rows=0
trap 'mux kill-server 2>/dev/null || true; rm -rf "$place"' EXIT

# A job whose agent has said nothing for a while: its run's live file and its session's record both say when it last did,
# and the coordinator's state since when it runs.
long_ago=$(date -u -d '14 minutes ago' +%FT%TZ)
common=$(git rev-parse --path-format=absolute --git-common-dir)
for file in "$common"/teof/live/*.json "${XDG_STATE_HOME:-$HOME/.local/state}"/teof/projects/*/sessions/*/metadata.json; do
  if grep -q '"stage": *"planner"' "$file" && ! grep -q '"ended_at"' "$file"; then
    sed -i -E "s/\"(last_at|last_activity|stage_since|started_at)\": *\"[^\"]*\"/\"\1\":\"$long_ago\"/g" "$file"
  fi
done
python3 - "$common/teof/coordinator/state.json" "$long_ago" <<'EDIT'
import json, os, sys
path, long_ago = sys.argv[1:]
state = json.load(open(path))
for job in state["jobs"]:
    if job["id"].endswith("-8"):
        job["phase"]["since"] = long_ago
json.dump(state, open(path + ".new", "w"))
os.rename(path + ".new", path)
EDIT

open() { # at so many columns and rows, on a background of this look
  mux kill-server 2>/dev/null || true
  columns=$1 rows=$2
  case $look in dark) colours='15;0' ;; light) colours='0;15' ;; esac
  mux new-session -d -x "$columns" -y "$rows" "TERM=tmux-256color COLORFGBG='$colours' teof top"
}
seen() { # words on the screen, a minute at most
  for _ in $(seq 300); do mux capture-pane -p | grep -qF -- "$1" && return; sleep 0.2; done
  echo "never seen: $1" >&2
  mux capture-pane -p >&2
  exit 1
}
press() { mux send-keys "$@"; }
shot() { # a name
  mux capture-pane -epN | python3 "$here/terminal_page.py" "$look" > "$place/page.html"
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$place/chromium" \
    --window-size="$((columns * 843 / 100 + 24)),$((rows * 35 / 2 + 24))" --screenshot="$here/$1-$look.png" \
    "file://$place/page.html" 2> /dev/null
  python3 "$here/shrink_png.py" "$here/$1-$look.png"
}

for look in light dark; do
  open 110 34
  seen "done nothing for"
  shot top
  press /
  press -l "Round amounts"
  press Enter
  press Tab
  seen "x reject"
  press d
  seen "+++ b/src"
  press a
  seen "y yes"
  shot top-approve
  open 80 24
  seen "done nothing for"
  shot top-80x24
done
