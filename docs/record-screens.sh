#!/usr/bin/env bash
# Records docs/screens/*.png on a sample repository, light and dark: the page of `teof web`, wide and phone, and the
# terminal screen of `teof top`.
# Usage: docs/record-screens.sh [teof]    (needs cargo, git, tmux, python3 and chromium; the agents are a script)
# With TEOF_DEMO=1 it takes no pictures, but prints the link and serves until Ctrl-C.
set -euo pipefail
teof=$(realpath "${1:-target/release/teof}")
source=$(realpath "$(dirname "$0")/..")
place=$(mktemp -d)
pids=()
finish() {
  (cd "$place/billing" && teof coordinator stop --now -q) > /dev/null 2>&1 || true
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$place"
}
trap finish EXIT

cargo_home=${CARGO_HOME:-$HOME/.cargo} rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
export HOME=$place/home XDG_STATE_HOME=$place/state XDG_CONFIG_HOME=$place/config XDG_DATA_HOME=$place/data
unset TEOF_AGENT TEOF_ROOT NO_COLOR
mkdir -p "$HOME" "$place/bin"
ln -s "$teof" "$place/bin/teof"
cat > "$place/bin/claude" <<'AGENT'
#!/bin/bash
[ "$1" = --version ] && { echo "2.1.332 (Claude Code)"; exit; }
prompt=$(cat)
emit() { printf '%s\n' "$1"; }
quote() { printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g' | sed ':a;N;$!ba;s/\n/\\n/g'; }
tool() { emit "{\"type\":\"assistant\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"$1\",\"input\":{\"$2\":\"$(quote "$3")\"}}]}}"; }
say() { emit "{\"type\":\"assistant\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"$(quote "$1")\"}]}}"; }
finish() { emit "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"$(quote "$1")\",\"usage\":{\"input_tokens\":$2,\"output_tokens\":$(($2 / 9))},\"total_cost_usd\":$3}"; exit; }
answer() { finish "{\"analysis\": \"$1\", \"findings\": [${4:-}], \"commands\": [], \"receipts\": []${5:-}}" "$2" "$3"; }
emit '{"type":"system","subtype":"init","session_id":"s1","model":"opus"}'
case $prompt in
"# Plan "*)
  case $prompt in *"Upload in parallel"*) say "I look at how uploads are queued."; tool Read file_path src/upload.rs; sleep 600 ;; esac
  answer "Change the one function, and add a test for the edge." 8200 0.06 ;;
"# Review "*)
  case $prompt in
  *"Retry failed uploads"*) answer "Works, but the wait between attempts has no upper limit." 21400 0.19 '{"file": "src/upload.rs", "line": 12, "message": "the wait doubles without a limit: after ten failures it is 17 minutes", "severity": "medium"}' ', "verdict": "approve", "confidence": 71' ;;
  *) answer "Small, tested and readable." 14800 0.12 '' ', "verdict": "approve", "confidence": 94' ;;
  esac ;;
esac
case $prompt in
*"Round amounts up"*)
  tool Read file_path src/invoice.rs; tool Edit file_path src/invoice.rs
  cat > src/invoice.rs <<'CODE'
/// The total of an invoice in cents. Amounts are in tenths of a cent.
pub fn total(amounts: &[u64]) -> u64 {
    // Fractions of a cent are in the customer's favour nowhere else.
    amounts.iter().map(|amount| amount.div_ceil(10)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_of_a_cent_counts_as_one() {
        assert_eq!(total(&[1, 1000, 1100]), 1 + 100 + 110);
    }
}
CODE
  tool Bash command "cargo test invoice"; answer "Amounts are rounded up to whole cents." 48200 0.44 ;;
*"Retry failed uploads"*)
  tool Read file_path src/upload.rs
  sed -i 's|^pub fn send.*|pub fn send(file: \&Path) -> Result<(), Error> {\n    let mut wait = 1;\n    while let Err(error) = put(file) {\n        if !error.is_transient() {\n            return Err(error);\n        }\n        sleep(wait);\n        wait *= 2;\n    }\n    Ok(())|; /^    put(file)$/d' src/upload.rs
  answer "Uploads are tried again after growing waits." 61900 0.71 ;;
*"Choose a date format"*) tool Read file_path src/invoice.rs; finish "I found two formats in use: 2026-03-01 in exports and 01/03/2026 on invoices.

Should invoices keep the day-first format for customers in the EU?" 9100 0.08 ;;
*"Cache the search index"*)
  say "I measure first: 340 ms of each search are spent on reading the index."; tool Read file_path src/search.rs; tool Edit file_path src/search.rs; tool Bash command "cargo test search"
  n=0; while [ $n -lt 200 ]; do n=$((n + 1)); tool Bash command "cargo bench search # round $n"; sleep 9; done ;;
*"Speed up the importer"*) tool Bash command "make profile"; echo 'while true; do :; done' > src/importer.sh; answer "Reads in larger blocks." 30400 0.27 ;;
*) mkdir -p docs; echo "More." >> "docs/$(printf '%s' "$prompt" | cksum | cut -c1-6).md"; answer "Done as described." 12600 0.11 ;;
esac
AGENT
chmod +x "$place/bin/claude"
export PATH=$place/bin:$PATH
git config --global user.name Ada
git config --global user.email ada@example.org
git config --global init.defaultBranch main
git init -q "$place/billing"
cd "$place/billing"
mkdir src
printf 'test:\n\ttest ! -e src/importer.sh\n' > Makefile
printf '/// The total of an invoice in cents. Amounts are in tenths of a cent.\npub fn total(amounts: &[u64]) -> u64 {\n    amounts.iter().map(|amount| (amount + 5) / 10).sum()\n}\n' > src/invoice.rs
printf '//! Uploads.\n\nuse std::path::Path;\n\n/// Sends a file to the archive.\npub fn send(file: &Path) -> Result<(), Error> {\n    put(file)\n}\n' > src/upload.rs
printf 'pub fn find(word: &str) -> Vec<Hit> {\n    Index::read().find(word)\n}\n' > src/search.rs
git add -A
git commit -qm "Billing"
teof init --yes -q > /dev/null
cd "$place/billing.record"
sed -i 's/^#* *day_cost = .*/day_cost = 20.0/' teof.toml
grep -q '^day_cost = 20.0' teof.toml

# Two weeks of runs before today, as their envelopes tell.
n=0
for back in 13 12 10 9 8 7 6 5 3 2 1 0 0; do
  for job in $(seq $((back == 0 ? 8 : 1 + (back * 7) % 4))); do
    n=$((n + 1)) seat=worker-$((1 + n % 3))
    took=$((400 + (n * 977) % 2600)) verdict=succeeded
    [ $((n % 6)) = 0 ] && verdict=failed
    # Never on the day of the recording: what that one cost is what its coordinator counts.
    end=$(($(date +%s) - back * 86400 - (n * 4999) % 20000)) start=$((end - took))
    tokens=$((40000 + took * 90)) cents=$((took / 1500 * 100 + took % 90 + 10))
    # The last day in full, one run after the other for each seat, without costs.
    [ $back = 0 ] && end=$(($(date +%s) - 79000 + (n - 31) * 4700)) start=$((end - took * 2)) tokens=0 cents=0
    name=$(date -u -d "@$end" +%Y%m%dT%H%M%SZ)
    folder=_report/agent/$seat/runs
    mkdir -p "$folder"
    stages=
    for stage in planner:9 coder:55 tester:21 reviewer:15; do
      calls= part=$((cents * ${stage#*:} / 79))
      # The tester runs commands, not an agent.
      if [ $part -gt 0 ] && [ "${stage%:*}" != tester ]; then
        calls=$(printf '{"agent":"claude","usage":{"input_tokens":%d,"cached_tokens":0,"output_tokens":0,"cost_usd":%d.%02d}}' \
          $((tokens * ${stage#*:} / 79)) $((part / 100)) $((part % 100)))
      fi
      stages="$stages,{\"name\":\"${stage%:*}\",\"round\":1,\"agent\":\"claude\",\"passed\":true,\"duration_seconds\":$((took * ${stage#*:} / 100 + n % 7)),\"calls\":[$calls]}"
    done
    printf '{"agent_id":"%s","run":"%s-9%02d.1","job":"%s-9%02d","task_id":"earlier-%d","order":{"path":"o-%d"},"verdict":"%s","started_at":"%s","finished_at":"%s","usage":{"input_tokens":%d,"cached_tokens":0,"output_tokens":0,"cost_usd":%d.%02d},"stages":[%s]}\n' \
      "$seat" "$name" "$n" "$name" "$n" "$n" "$n" "$verdict" "$(date -u -d "@$start" +%FT%TZ)" "$(date -u -d "@$end" +%FT%TZ)" \
      $tokens $((cents / 100)) $((cents % 100)) "${stages#,}" > "$folder/$name-run-$n.json"
  done
done

teof plan new statements --summary "Monthly statements for customers" --step S1:"Collect the entries" --step S2:"Lay out the page" --step S3:"Send by mail" --step S4:"Archive as PDF" --step S5:"Let customers opt out" -q > /dev/null
statements=$(basename _plans/*statements.plan.json .plan.json)
sed -i "s/\"created\": \"[^\"]*\"/\"created\": \"$(date -u -d '6 days ago' +%FT%TZ)\"/" "_plans/$statements.plan.json"
teof plan step set "$statements" S3 --status done --note "by hand" -q > /dev/null
teof plan step set "$statements" S1 --status done --note "by hand" -q > /dev/null
teof plan step set "$statements" S2 --status blocked --note "waits for the paper size" -q > /dev/null
touch -d "2 days ago" "_plans/$statements.plan.json"

teof consent grant --max-jobs 20 --allow-apply -q > /dev/null
objectives=("Round amounts up to cents" "Retry failed uploads" "Describe the export format" "Speed up the importer" "Choose a date format for invoices" "Describe the billing cycle" "Cache the search index" "Upload in parallel" "Translate error messages")
for objective in "${objectives[@]}"; do teof coordinator submit --objective "$objective" -q > /dev/null; done
teof run -q > "$place/run.log" 2>&1 &
pids+=($!)
seen() { # a job, and words that its log must have; a minute at most
  for _ in $(seq 300); do teof logs "$1" 2> /dev/null | grep -q "$2" && return; sleep 0.2; done
  echo "never seen in the log of $1: $2" >&2
  cat "$place/run.log" >&2
  exit 1
}
seen j7 "cargo bench"
seen j9 "succeeded"
for job in j3 j6 j9; do teof review approve "$job" -q > /dev/null; done
teof bus event --event observation --summary "The archive answers slowly today" --severity low -q > /dev/null

[ -n "${TEOF_DEMO:-}" ] || (cd "$place/billing" && "$source/docs/screens/record-terminal.sh")

teof web --json > "$place/link" &
pids+=($!)
until [ -s "$place/link" ]; do sleep 0.1; done
link=$(sed -n 's/.*"url": "\(.*\)",/\1/p' "$place/link")
if [ -n "${TEOF_DEMO:-}" ]; then
  echo "$link"
  wait "${pids[-1]}"
  exit
fi
cd "$source"
CARGO_HOME=$cargo_home RUSTUP_HOME=$rustup_home TEOF_SCREENS=$source/docs/screens TEOF_SCREENS_LINK=$link \
  cargo test -q --test suite -- --ignored --exact web::screens::record
