#!/bin/sh
# Makes a project in $1 whose jobs a scripted agent does, the one in $2. Run as the user in the machine.
set -e
mkdir -p ~/agent "$1"
cp "${2:-/usr/local/share/vm/agent.sh}" ~/agent/agent
chmod +x ~/agent/agent
cd "$1"
git init -qb main
git config --global user.name Ann
git config --global user.email ann@example.com
echo "A project" > README.md
git add -A
git commit -qm Start
for seat in manager worker-1 worker-2; do teof init --agent $seat -q; done
cat > teof.toml <<T
[lock]
wait = "60s"
[agents.scripted]
command = ["$HOME/agent/agent"]
format = "claude"
session_args = ["--session-id={session}"]
resume_args = ["--resume={session}"]
write = ["$HOME/agent/"]
[coordinator]
concurrency = 2
queue = 40
retries = 1000
retry_first = "0s"
retry_later = "1s"
breaker_after = 1000
poll_min = "1s"
poll_max = "30s"
record_every = "20s"
[worker]
grace = "1s"
[pipeline]
stages = ["coder"]
[roles.coder]
agent = "scripted"
[roles.planner]
agent = "scripted"
[roles.reviewer]
agent = "scripted"
T
git add -A
git commit -qm "Set up"
teof consent grant --continuous
