#!/usr/bin/env bash
# The real Claude Code and the real Codex, with teof's plugin, try to edit a file that git tracks: without a claim on a
# task the hook refuses it. They claim one with the plugin's MCP server; then the edit is allowed, and others see what is
# edited. No model service is needed: hooked.py plays it, on loopback, in a network namespace that has nothing else.
#
#   hooks.sh [--keep] [--prefix FOLDER] [claude|codex]...
#
#   --keep            leave the temporary folder where it is, to look around in it
#   --prefix FOLDER   install the agents there, and keep them for the next time
#
# Needs what run.sh needs, and nothing of yours is read or changed. Exit code: 0 when every hook did what it should.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
port=8080 # The namespace is ours alone, so no port is taken.

main() {
    keep= prefix= running=
    local agents=()
    while [ $# -gt 0 ]; do
        case $1 in
        --keep) keep=yes ;;
        --prefix) prefix=${2:?--prefix names a folder} && shift ;;
        claude | codex) agents+=("$1") ;;
        *) sed -n '2,/^set/{/^#/p}' "$0" >&2 && exit 2 ;;
        esac
        shift
    done
    [ ${#agents[@]} -gt 0 ] || agents=(claude codex)
    for tool in git python3 node npm unshare mount ip; do
        command -v "$tool" >/dev/null || fail "$tool is not installed"
    done
    teof=$(command -v "${TEOF:-teof}") || fail "there is no teof: cargo build --release, then TEOF=target/release/teof $0"

    # Not below /tmp: in there that is another folder, and codex refuses a home there.
    folder=$(mktemp -d /var/tmp/teof-hooks.XXXXXX)
    trap 'leave $?' EXIT
    mkdir -p "$folder/bin" "$folder/home" "$folder/tmp" "$folder/packages" "$folder/script"
    cp "$(realpath "$teof")" "$folder/bin/teof"
    cp "$here"/*.sh "$here"/*.py "$folder/script"
    prefix=${prefix:-$folder/packages}
    for agent in "${agents[@]}"; do install "$agent"; done

    local rights=(--net --pid --fork --mount-proc --kill-child)
    [ "$(id -u)" = 0 ] || rights=(--user --map-root-user "${rights[@]}")
    unshare "${rights[@]}" true || fail "this system lets you make no network namespace of your own: try it as root"
    unshare "${rights[@]}" env -i PATH="$folder/bin:$PATH" HOME="$folder/home" LANG=C.UTF-8 \
        "$BASH" "$folder/script/hooks.sh" --in-the-namespace "$folder" "$prefix" "${agents[@]}" &
    running=$!
    wait "$running"
}

install() {
    case $1 in
    claude) install_package @anthropic-ai/claude-code claude ;;
    codex) install_package @openai/codex codex ;;
    esac
    # In there the packages lie below the folder, wherever they lie out here.
    ln -s "$folder/packages${program#"$prefix"}" "$folder/bin/$1"
}

# --- inside -----------------------------------------------------------------------------------------------

inside() {
    folder=$1
    cd "$folder"
    mount --bind "$2" "$folder/packages"
    mount --bind "$folder/tmp" /tmp
    ip link set lo up
    exec 3< <(exec python3 "$folder/script/hooked.py" "$port" "$folder/model.log")
    read -r -u 3 ready || fail "the stand-in for the model service does not start"
    say "The stand-in: $ready"
    teof agent plugin --output "$folder/plugin"
    shift 2
    local wrong=0
    for agent; do try "$agent" || wrong=1; done
    exit $wrong
}

# One agent in a repository of its own.
try() {
    local agent=$1
    echo "== $agent"
    mkdir "$folder/$agent" && cd "$folder/$agent"
    git init -q -b main
    git config user.name "A person" && git config user.email person@example.invalid
    echo Hello >greeting.txt
    teof init --agent "$agent-1" >/dev/null
    printf '[hooks]\nclaim = "refuse"\n' >teof.toml
    git add . && git commit -qm "Set up teof"
    "plugin_$agent"

    "ask_$agent" "" >"$folder/$agent-without.txt" 2>&1 || fail "$agent ended with exit code $?: $folder/$agent-without.txt"
    check "without a claim the file stays" grep -qx Hello greeting.txt
    check "the agent reads why" grep -q "greeting.txt: edited without a claim on a task" "$folder/$agent-without.txt"
    check "its session is listed" grep -q "^$agent-" <<<"$(teof session list)"
    check "the hook booted the seat" grep -q fresh <<<"$(teof seat show "$agent-1")"

    "ask_$agent" "Claim T-1 with the tools of teof. " >"$folder/$agent-with.txt" 2>&1 || fail "$agent ended with exit code $?: $folder/$agent-with.txt"
    check "the plugin's server claimed the task" grep -q "\"agent_id\": \"$agent-1\"" _bus/claims/T-1.json
    check "with a claim the file is changed" grep -qx "Good morning" greeting.txt
    check "others see what is edited" grep -q "edits greeting.txt" <<<"$(teof bus status)"
    check "before it stopped it was asked to report" grep -q "nothing was reported since greeting.txt changed" "$folder/model.log" -r "$folder/home" --include="*.jsonl" --include=model.log
    return "$failed"
}

failed=0
check() {
    local what=$1
    shift
    if "$@" >/dev/null; then echo "  ok      $what"; else echo "  MISSING $what" && failed=1; fi
}

plugin_claude() {
    claude plugin marketplace add "$folder/plugin" >&2
    claude plugin install teof@teof >&2
}

plugin_codex() {
    codex plugin marketplace add "$folder/plugin" >&2
    codex plugin add teof@teof >&2
}

ask_claude() {
    # Root may skip permissions in a sandbox only, and this is one.
    echo "$1Change the greeting in $PWD" |
        IS_SANDBOX=1 ANTHROPIC_BASE_URL="http://127.0.0.1:$port" ANTHROPIC_API_KEY=none ENABLE_TOOL_SEARCH=false timeout 120 \
            claude -p --verbose --output-format stream-json --permission-mode bypassPermissions
}

# A model that codex knows: only those get its tool for patches. A person trusts the hooks once; nobody is here to.
ask_codex() {
    echo "$1Change the greeting in $PWD" |
        STANDIN_KEY=none timeout 120 codex exec --json -m gpt-5.5 -c analytics.enabled=false -c model_provider=standin \
            -c "model_providers.standin={name=\"stand-in\",base_url=\"http://127.0.0.1:$port/v1\",wire_api=\"responses\",env_key=\"STANDIN_KEY\"}" \
            --dangerously-bypass-approvals-and-sandbox --dangerously-bypass-hook-trust -
}

if [ "${1-}" = --in-the-namespace ]; then
    shift && inside "$@"
else
    main "$@"
fi
