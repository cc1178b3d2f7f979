#!/usr/bin/env bash
# A real coding agent does one whole job for teof, from plan step to review bundle, without any model service:
# model.py plays the service, on loopback, in a network namespace that has nothing else.
#
#   run.sh [--keep] [--prefix FOLDER] [AGENT]
#   run.sh [--prefix FOLDER] [--page FILE] all
#
#   AGENT             claude, codex, gemini, opencode, qwen or kilo; with -acp behind it: over the Agent Client
#                     Protocol, as copilot, droid, kimi and vibe, which speak only that; codex-app: codex as a server;
#                     aider
#   all               each of them, one after the other
#   --keep            leave the temporary folder where it is, to look around in it
#   --prefix FOLDER   install the agents there, and keep them for the next time
#   --page FILE       write what was seen to this page
#
# Needs Linux with bash, git, python3, node with npm, unshare and mount (util-linux) and ip (iproute2); root, or a system
# that lets everybody make user namespaces. `teof` is taken from $TEOF, else from PATH; for aider and vibe a python 3.12
# from $PYTHON, else python3; kimi needs a node of at least 22.19. Only `npm install` and `pip install` use the network.
# No key is needed, and nothing of yours is read or changed: HOME is a temporary one, and so is /tmp in there. When it
# ends, for whatever reason, so does every process that it started.
#
# Exit code: 0 when the job is in review with everything that belongs to it, 1 when anything is missing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
port=8080 # The namespace is ours alone, so no port is taken.
agents="claude codex codex-app gemini opencode qwen kilo aider claude-acp codex-acp gemini-acp opencode-acp qwen-acp
    kilo-acp copilot droid kimi vibe"

main() {
    keep= prefix= page= running= agent=codex
    while [ $# -gt 0 ]; do
        case $1 in
        --keep) keep=yes ;;
        --prefix) prefix=${2:?--prefix names a folder} && shift ;;
        --page) page=${2:?--page names a file} && shift ;;
        all) agent=all ;;
        [a-z]*) [[ " ${agents//$'\n'/ } " == *" $1 "* ]] || fail "no such agent: $1" && agent=$1 ;;
        *) sed -n '2,/^set/{/^#/p}' "$0" >&2 && exit 2 ;;
        esac
        shift
    done
    for tool in git python3 node npm unshare mount ip; do
        command -v "$tool" >/dev/null || fail "$tool is not installed"
    done
    teof=$(command -v "${TEOF:-teof}") || fail "there is no teof: cargo build --release, then TEOF=target/release/teof $0"
    teof=$(realpath "$teof")
    [ "$agent" != all ] || every_agent
    one_agent
}

# Each agent in a process of its own; a row for each, whether its job went well or not.
every_agent() {
    local rows failed=
    rows=$(mktemp)
    for agent in $agents; do
        say "--- $agent"
        "$BASH" "$here/run.sh" ${prefix:+--prefix "$prefix/$agent"} --page "$rows" "$agent" || failed="$failed $agent"
    done
    [ -z "$page" ] || { cat "$here/compatibility.md" "$rows" >"$page" && say "Written: $page"; }
    [ -z "$failed" ] || say "Not whole:$failed"
    rm -f "$rows"
    [ -z "$failed" ] && exit 0 || exit 1
}

one_agent() {
    # Not below /tmp: in there that is another folder.
    folder=$(mktemp -d /var/tmp/teof-real-agent.XXXXXX)
    trap 'leave $?' EXIT
    mkdir -p "$folder/bin" "$folder/home" "$folder/tmp" "$folder/packages" "$folder/script"
    cp "$teof" "$folder/bin/teof"
    cp "$here"/*.sh "$here"/*.py "$folder/script"
    install

    # Processes are numbered anew in there: whatever is left when the first one ends, ends with it.
    local rights=(--net --pid --fork --mount-proc --kill-child)
    [ "$(id -u)" = 0 ] || rights=(--user --map-root-user "${rights[@]}")
    unshare "${rights[@]}" true || fail "this system lets you make no network namespace of your own: try it as root"
    unshare "${rights[@]}" env -i PATH="$folder/bin:$PATH" HOME="$folder/home" LANG=C.UTF-8 \
        "$BASH" "$folder/script/run.sh" --in-the-namespace "$folder" "$agent" "$prefix" "$version" &
    running=$!
    local code=0
    wait "$running" || code=$?
    # One row of the table, as check.py saw it.
    [ -z "$page" ] || cat "$folder/row.md" >>"$page" 2>/dev/null ||
        echo "| $agent | $version | ended before it was looked at | | | |" >>"$page"
    exit "$code"
}

install() {
    local package name=${agent%-acp}
    name=${name%-app}
    case $agent in
    claude) package=@anthropic-ai/claude-code ;;
    claude-acp) package=@agentclientprotocol/claude-agent-acp name=claude-agent-acp ;;
    codex | codex-app) package=@openai/codex ;;
    codex-acp) package=@agentclientprotocol/codex-acp name=codex-acp ;;
    gemini*) package=@google/gemini-cli ;;
    opencode*) package=opencode-ai ;;
    qwen*) package=@qwen-code/qwen-code ;;
    copilot) package=@github/copilot ;;
    kilo*) package=${KILO:-@kilocode/cli} ;;
    droid) package=droid ;;
    kimi) package=@moonshot-ai/kimi-code ;;
    aider) package=aider-chat ;;
    vibe) package=mistral-vibe name=vibe-acp ;;
    esac
    prefix=${prefix:-$folder/packages}
    # In there the packages lie below the folder, wherever they lie out here.
    case $agent in
    aider | vibe)
        install_python_package "$package" "$name"
        printf '#!/bin/sh\nexec "%s/packages/bin/python" "%s/packages/bin/%s" "$@"\n' "$folder" "$folder" "$name" >"$folder/bin/$name"
        chmod +x "$folder/bin/$name"
        ;;
    *)
        install_package "$package" "$name"
        ln -s "$folder/packages${program#"$prefix"}" "$folder/bin/$name"
        ;;
    esac
}

# --- inside -----------------------------------------------------------------------------------------------

inside() {
    folder=$1 agent=$2 version=$4
    # Agents leave things in /tmp under names of their own, and trip over what others left there.
    cd "$folder"
    mount --bind "$3" "$folder/packages"
    mount --bind "$folder/tmp" /tmp
    ip link set lo up
    say "The network in here: $(ip -o -4 addr show | awk '{print $2, $4}')"
    exec 3< <(exec python3 "$here/model.py" "$port" "$folder/model.log")
    read -r -u 3 ready || fail "the stand-in for the model service does not start"
    say "The stand-in: $ready"

    mkdir project && cd project
    project
    settings >teof.toml
    teof init --agent manager
    seats
    plan >"_plans/2026-01-05-greeting.plan.json"
    teof plan validate --strict
    teof agent doctor --timeout 60s "$agent"
    teof consent grant --max-iterations 5
    git add . && git commit -qm "Set up teof"

    timeout 600 teof coordinator run --until-idle || fail "the coordinator ended with exit code $?"
    python3 "$here/check.py" "$agent" "$version"
}

project() {
    git init -q -b main
    git config user.name "A person" && git config user.email person@example.invalid
    echo "# Greetings" >README.md
    cat >test.sh <<'END'
#!/bin/sh
# greet.sh greets whom it is told to.
said=$(sh greet.sh Ada)
test "$said" = "Hello, Ada!" || { echo "greet.sh said: $said" >&2; exit 1; }
END
    git add . && git commit -qm "A small project"
}

# How each agent is pointed at the stand-in; all the rest is its preset.
settings() {
    cat <<END
[roles]
planner = { agent = "$agent" }
coder = { agent = "$agent" }
tester = { agent = "$agent" }
reviewer = { agent = "$agent" }

[guard]
tests = ["sh test.sh"]

[agents.$agent]
END
    case $agent in
    claude | claude-acp)
        cat <<END
[agents.$agent.set]
ANTHROPIC_BASE_URL = "http://127.0.0.1:$port"
ANTHROPIC_API_KEY = "none"
# Root may skip permissions in a sandbox only, and this is one: it has no network and a HOME of its own.
IS_SANDBOX = "1"
END
        ;;
    codex | codex-app)
        cat <<END
model = "stand-in"
args = [
    # At its end it would wait for a service that is not there.
    "-c", "analytics.enabled=false",
    "-c", "model_provider=standin",
    "-c", 'model_providers.standin={name="stand-in",base_url="http://127.0.0.1:$port/v1",wire_api="responses",env_key="STANDIN_KEY"}',
]
set = { STANDIN_KEY = "none" }
END
        ;;
    codex-acp)
        mkdir -p "$HOME/.codex"
        cat >"$HOME/.codex/config.toml" <<END
model = "stand-in"
model_provider = "standin"
[analytics]
enabled = false
[model_providers.standin]
name = "stand-in"
base_url = "http://127.0.0.1:$port/v1"
wire_api = "responses"
env_key = "STANDIN_KEY"
END
        echo 'set = { STANDIN_KEY = "none" }'
        ;;
    gemini | gemini-acp)
        mkdir -p "$HOME/.gemini"
        echo '{"security":{"auth":{"selectedType":"gemini-api-key"}}}' >"$HOME/.gemini/settings.json"
        cat <<END
model = "stand-in"
set = { GOOGLE_GEMINI_BASE_URL = "http://127.0.0.1:$port", GEMINI_API_KEY = "none" }
END
        ;;
    opencode | opencode-acp)
        cat <<END
model = "standin/stand-in"
[agents.$agent.set]
OPENCODE_DISABLE_MODELS_FETCH = "1"
OPENCODE_CONFIG_CONTENT = '''
{"permission": $([ "$agent" = opencode ] && echo '"allow"' || echo '{"bash": "ask", "edit": "ask"}'), "provider": {"standin": {"npm": "@ai-sdk/openai-compatible",
 "options": {"baseURL": "http://127.0.0.1:$port/v1", "apiKey": "none"}, "models": {"stand-in": {}}}}}'''
END
        ;;
    copilot)
        cat <<END
[agents.copilot.set]
COPILOT_PROVIDER_BASE_URL = "http://127.0.0.1:$port/v1"
COPILOT_PROVIDER_API_KEY = "none"
COPILOT_MODEL = "stand-in"
COPILOT_OFFLINE = "true"
END
        ;;
    kilo | kilo-acp)
        cat <<END
model = "standin/stand-in"
[agents.$agent.set]
KILO_DISABLE_MODELS_FETCH = "1"
KILO_CONFIG_CONTENT = '''
{"permission": $([ "$agent" = kilo ] && echo '"allow"' || echo '{"bash": "ask", "edit": "ask"}'), "provider": {"standin": {"npm": "@ai-sdk/openai-compatible",
 "options": {"baseURL": "http://127.0.0.1:$port/v1", "apiKey": "none"}, "models": {"stand-in": {}}}}}'''
END
        ;;
    aider)
        cat <<END
model = "openai/stand-in"
set = { OPENAI_API_BASE = "http://127.0.0.1:$port/v1", OPENAI_API_KEY = "none" }
END
        ;;
    droid)
        mkdir -p "$HOME/.factory"
        cat >"$HOME/.factory/settings.json" <<END
{"customModels": [{"model": "stand-in", "displayName": "stand-in", "baseUrl": "http://127.0.0.1:$port/v1", "apiKey": "none",
 "provider": "generic-chat-completion-api", "maxOutputTokens": 8000}]}
END
        cat <<END
model = "custom:stand-in-0"
set = { FACTORY_API_KEY = "none" }
END
        ;;
    kimi)
        mkdir -p "$HOME/.kimi-code"
        cat >"$HOME/.kimi-code/config.toml" <<END
default_model = "stand-in"
telemetry = false
[providers.standin]
type = "openai"
base_url = "http://127.0.0.1:$port/v1"
api_key = "none"
[models.stand-in]
provider = "standin"
model = "stand-in"
max_context_size = 200000
END
        ;;
    vibe)
        mkdir -p "$HOME/.vibe"
        cat >"$HOME/.vibe/config.toml" <<END
active_model = "stand-in"
enable_telemetry = false
[[providers]]
name = "standin"
api_base = "http://127.0.0.1:$port/v1"
[[models]]
name = "stand-in"
provider = "standin"
alias = "stand-in"
END
        ;;
    qwen | qwen-acp)
        cat <<END
model = "stand-in"
set = { OPENAI_BASE_URL = "http://127.0.0.1:$port/v1", OPENAI_API_KEY = "none", OPENAI_MODEL = "stand-in" }
END
        ;;
    esac
}

seats() {
    echo '{"agent_id": "worker-1", "desired_roles": ["engineer"]}' >AGENT_MANIFEST.worker-1.json
    echo '{"agent_id": "reviewer-1", "desired_roles": ["reviewer"]}' >AGENT_MANIFEST.reviewer-1.json
}

plan() {
    cat <<'END'
{
  "version": 0,
  "plan_id": "2026-01-05-greeting",
  "created": "2026-01-05T10:00:00Z",
  "actor": "manager",
  "summary": "Greet people by name",
  "priority": 2,
  "layer": "L5",
  "systemic_scale": 5,
  "impact_score": 3,
  "systemic_targets": ["S6"],
  "layer_targets": ["L5"],
  "status": "queued",
  "steps": [
    {
      "id": "S1",
      "title": "Write greet.sh",
      "status": "queued",
      "notes": "`sh greet.sh Ada` prints `Hello, Ada!`.",
      "receipts": [],
      "tests": ["sh test.sh"],
      "allowed": ["greet.sh"],
      "diff_limit": 20
    }
  ],
  "checkpoint": {"description": "test.sh passes", "owner": "manager", "status": "pending"},
  "links": [],
  "receipts": []
}
END
}

if [ "${1-}" = --in-the-namespace ]; then
    shift && inside "$@"
else
    main "$@"
fi
