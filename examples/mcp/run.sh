#!/usr/bin/env bash
# A real coding agent works on a task through `teof mcp`: it is refused, boots, claims, reports, adds a receipt and
# releases. No model service is asked: stand_in.py plays one, on loopback, in a network namespace that has nothing else.
#
#   run.sh [--keep] [--prefix FOLDER] [claude|codex]
#
#   --keep            leave the temporary folder where it is
#   --prefix FOLDER   install the agent there, and keep it for the next time
#
# Needs Linux with bash, git, python3, node with npm, unshare (util-linux) and ip (iproute2); root, or a system that lets
# everybody make user namespaces. `teof` is taken from $TEOF, else from PATH. Only `npm install` uses the network. No
# key is needed, and HOME is a temporary one. Every process that it starts ends with it.
#
# Exit code: 0 when the record holds all of it, 1 when anything is missing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../real-agent/common.sh"
port=8080 # The namespace is ours alone.

main() {
    keep='' prefix='' running='' agent=codex
    while [ $# -gt 0 ]; do
        case $1 in
        --keep) keep=yes ;;
        --prefix) prefix=${2:?--prefix names a folder} && shift ;;
        claude | codex) agent=$1 ;;
        *) sed -n '2,/^set/{/^#/p}' "$0" >&2 && exit 2 ;;
        esac
        shift
    done
    for tool in git python3 node npm unshare ip; do
        command -v "$tool" >/dev/null || fail "$tool is not installed"
    done
    teof=$(command -v "${TEOF:-teof}") || fail "there is no teof: cargo build --release, then TEOF=target/release/teof $0"
    # Not below /tmp: codex starts no helpers from there.
    folder=$(mktemp -d /var/tmp/teof-mcp.XXXXXX)
    trap 'leave $?' EXIT
    mkdir -p "$folder/bin" "$folder/home" "$folder/project" "$folder/examples"
    cp "$(realpath "$teof")" "$folder/bin/teof"
    cp -R "$here" "$here/../real-agent" "$folder/examples"
    prefix=${prefix:-$folder/packages}
    case $agent in
    claude) install_package @anthropic-ai/claude-code claude ;;
    codex) install_package @openai/codex codex ;;
    esac
    local rights=(--net --pid --fork --mount-proc --kill-child)
    [ "$(id -u)" = 0 ] || rights=(--user --map-root-user "${rights[@]}")
    unshare "${rights[@]}" true || fail "this system lets you make no network namespace of your own: try it as root"
    unshare "${rights[@]}" env -i PATH="$folder/bin:$PATH" HOME="$folder/home" LANG=C.UTF-8 PROGRAM="$program" \
        "$BASH" "$folder/examples/mcp/run.sh" --in-the-namespace "$folder" "$agent"
}

inside() {
    folder=$1 agent=$2
    ip link set lo up
    exec 3< <(exec python3 "$folder/examples/mcp/stand_in.py" "$port" "$folder/model.log")
    read -r -u 3 ready || fail "the stand-in for the model service does not start"
    say "The stand-in: $ready"
    cd "$folder/project"
    git init -q -b main
    git config user.name "A person" && git config user.email person@example.invalid
    teof init --agent codex-1 -q
    teof task add QUEUE-001 --title "Greet somebody" --agent operator -q
    git add . && git commit -qm "Set up teof"
    say "Starting $("$PROGRAM" --version)"
    # The agent is the seat of this folder; it is told of the server as a person would register it.
    local prompt="Work on QUEUE-001 with the tools of teof."
    case $agent in
    claude)
        "$PROGRAM" mcp add teof -- teof mcp
        ANTHROPIC_BASE_URL=http://127.0.0.1:$port ANTHROPIC_API_KEY=none IS_SANDBOX=1 ENABLE_TOOL_SEARCH=false \
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
            timeout 300 "$PROGRAM" -p --permission-mode bypassPermissions "$prompt" </dev/null
        ;;
    codex)
        "$PROGRAM" mcp add teof -- teof mcp
        STANDIN_KEY=none timeout 300 "$PROGRAM" exec --dangerously-bypass-approvals-and-sandbox --skip-git-repo-check \
            -m stand-in -c analytics.enabled=false -c model_provider=standin \
            -c "model_providers.standin={name=\"stand-in\",base_url=\"http://127.0.0.1:$port/v1\",wire_api=\"responses\",env_key=\"STANDIN_KEY\"}" \
            "$prompt" </dev/null
        ;;
    esac
    look "it was told why it could not claim yet" grep -q session.missing "$folder/model.log"
    look "the claim is released" grep -q '"status": "done"' _bus/claims/QUEUE-001.json
    for kind in handshake claim status complete release; do
        look "its $kind is in the log" grep -q "\"agent_id\":\"codex-1\",\"event\":\"$kind\"" _bus/events/events.jsonl
    done
    look "its receipt is in the ledger" grep -q '"_report/agent/codex-1/proof.txt"' _report/receipts.jsonl
    look "the record is whole" teof bus verify
    look "the receipts are" teof receipts verify
    look "no server is left" eval '! grep -qzx mcp /proc/[0-9]*/cmdline'
    [ -z "$missing" ] || fail "something is missing"
}

missing=''
look() {
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then say "  ok      $what"; else say "  MISSING $what" && missing=yes; fi
}

if [ "${1-}" = --in-the-namespace ]; then
    shift && inside "$@"
else
    main "$@"
fi
