#!/bin/sh
# Writes the table of what was tried into docs/guarantees.md, from tests/suite/tried.tsv. With --print, prints it.
set -eu
cd "$(dirname "$0")"
rows() {
  printf '| what | repeat | tried |\n|---|---|---|\n'
  awk -F '\t' '!/^#/ { printf "| %s | `%s` | %s |\n", $1, $2, $3 }' ../tests/suite/tried.tsv
}
if [ "${1-}" = --print ]; then
  rows
  exit
fi
made=$(mktemp)
{
  sed '/^<!-- tried -->$/q' guarantees.md
  rows
  sed -n '/^<!-- end of tried -->$/,$p' guarantees.md
} > "$made"
cat "$made" > guarantees.md
rm "$made"
