#!/usr/bin/env python3
"""Looks at what the job of run.sh left in the repository, says what it sees, and fails when anything is missing.

    check.py AGENT [VERSION]      in the project's folder

Beside it, `../row.md` gets one row of a table of what was seen.
"""

import glob
import hashlib
import json
import os
import subprocess
import sys

PLAN, STEP = "2026-01-05-greeting", "S1"
STAGES = "planner coder !tester coder tester reviewer"
MODEL_LOG = "../model.log"
RIGHT = '#!/bin/sh\n# Greets whom the first argument names.\necho "Hello, $1!"\n'

# They report the last request of a turn alone, and no requests on the side.
COUNTS_LESS = ["opencode-acp", "qwen-acp"]

# They start a new session for each pass.
STARTS_ANEW = ["gemini-acp", "aider"]

# They report no usage; the first prints text alone, so that no session is known either.
COUNTS_NOTHING = ["aider", "droid", "kimi"]
HAS_NO_SESSION = ["aider"]

missing = []
row = {}


def look(what, there, seen=""):
    print(f"  {'ok     ' if there else 'MISSING'} {what}" + (f": {seen}" if seen else ""))
    if not there:
        missing.append(what)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def document(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def the_record(agent):
    """The job waits for a person: its step is open, its claim held, nothing is merged."""
    status = json.loads(output("teof", "coordinator", "status", "--json"))
    phases = {job["task"]: job["phase"]["is"] for job in status["jobs"]}
    look("the job is in review", phases == {f"{PLAN}-{STEP}": "review"}, phases)
    used = status["jobs"][0]["counted"] if status["jobs"] else {}
    counted = used.get("input_tokens") and used.get("output_tokens")
    look("what it used is counted", counted or agent in COUNTS_NOTHING, used)
    step = document(f"_plans/{PLAN}.plan.json")["steps"][0]
    look("its step is in progress", step["status"] == "in_progress", step["status"])
    claims = [document(path) for path in glob.glob("_bus/claims/*.json")]
    held = [claim for claim in claims if claim["task_id"] == f"{PLAN}-{STEP}" and claim["status"] == "active"]
    look("its claim is held", len(held) == 1, ", ".join(claim["agent_id"] for claim in held))
    audits = [event for event in lines("_bus/events/events.jsonl") if event["event"] == "audit"]
    look("the review is in the log", any(event["agent_id"] == "reviewer-1" for event in audits))
    look("nothing is merged", not os.path.exists("greet.sh") and "greet.sh" not in output("git", "ls-tree", "main"))


def the_bundle(agent):
    """Everything that a person needs to decide stands in one file."""
    bundles = glob.glob("_report/agent/*/reviews/*.json")
    look("there is one review bundle", len(bundles) == 1, ", ".join(bundles))
    if not bundles:
        return
    bundle = document(bundles[0])
    look("it can be read as Markdown", os.path.exists(bundles[0].removesuffix("json") + "md"))
    passed = " ".join(("" if stage["passed"] else "!") + stage["name"] for stage in bundle["stages"])
    look("the failing test sent the work back once", passed == STAGES and bundle["passes"] == 2, passed)
    look("the tests pass now", [test["passed"] for test in bundle["tests"]] == [True])
    look("the reviewer said how sure it is", bundle.get("confidence") == 90, bundle.get("confidence"))
    look("the reviewer is another seat", bundle.get("reviewer") == "reviewer-1" and bundle["agent_id"] == "worker-1")
    diff = [(file["path"], file["added"], file["removed"]) for file in bundle["diff"]["files"]]
    look("the diff is greet.sh", diff == [("greet.sh", 3, 0)], diff)
    look("the reviewed commit holds it", output("git", "show", f"{bundle['commit']}:greet.sh") == RIGHT, bundle["commit"])
    tip = output("git", "rev-parse", bundle["branch"]).strip()
    look("it is the branch's", tip == bundle["commit"], bundle["branch"])
    for receipt in bundle["receipts"]:
        look(f"receipt {receipt['path']}", hashlib.sha256(content(receipt["path"])).hexdigest() == receipt["sha256"])
    the_stages(agent, bundle)


def the_stages(agent, bundle):
    """Each call of the agent is told with its session, its raw stream and what the model service counted."""
    envelopes = [document(path) for path in glob.glob(f"_report/agent/worker-1/runs/*{bundle['run']}.json")]
    sandbox = [envelope["sandbox"] for envelope in envelopes]
    row["sandbox"] = ", ".join(sorted({one["state"] for one in sandbox})) or "unknown"
    confined = all(one["landlock"] == 0 or one["state"] in ("full", "partial") for one in sandbox)
    look("the kernel confined it, where it can", sandbox and confined, sandbox)
    stages = [stage for envelope in envelopes for stage in envelope["stages"] if stage.get("calls")]
    for stage in stages:
        used, call = stage["usage"], stage["calls"][0]
        named = stage.get("session") or agent in HAS_NO_SESSION
        told = used["output_tokens"] or agent in COUNTS_NOTHING
        whole = stage["agent"] == agent and call["outcome"] == "ok" and named and told
        tokens = f"{used['input_tokens']} + {used['output_tokens']} tokens"
        look(f"{stage['name']} {stage['round']}", whole, f"session {stage.get('session')}, {tokens}, {stage['outcome']}")
    coders = [stage.get("session") for stage in stages if stage["name"] == "coder"]
    row["resumes"] = len(coders) == 2 and coders[0] is not None and coders[0] == coders[1]
    anew = agent in STARTS_ANEW
    look("the coder went on in its own session", row["resumes"] or anew, "a new one each time" if anew else "")
    if agent not in HAS_NO_SESSION:
        look("no two roles share one", len({stage["session"] for stage in stages}) == (5 if anew else 4))
        the_streams(coders)
    for role in ("planner", "coder", "tester", "reviewer"):
        the_tokens(agent, bundle, role)
    row["costs"] = any(stage["usage"].get("cost_usd") for stage in bundle["stages"])


def the_streams(coders):
    streams = glob.glob(os.path.expanduser("~/.local/state/teof/projects/*/sessions/*/*"))
    raw = [path for path in streams if os.path.isfile(path) and coders and coders[0].encode() in content(path)]
    look("the raw streams are kept on this machine", len(raw) >= 2, f"{len(raw)} of the coder's")


def the_tokens(agent, bundle, role):
    asked = [line for line in lines(MODEL_LOG) if line["role"] == role]
    counted = sum(line["input"] for line in asked), sum(line["output"] for line in asked)
    told = [stage["usage"] for stage in bundle["stages"] if stage["name"] == role]
    said = sum(usage["input_tokens"] for usage in told), sum(usage["output_tokens"] for usage in told)
    exact = said == counted
    row["counts"] = row.get("counts", True) and exact
    near = agent in COUNTS_LESS and 0 < said[0] <= counted[0]
    silent = agent in COUNTS_NOTHING and said == (0, 0)
    seen = f"{len(asked)} requests, {counted}" + ("" if exact else f", told {said}")
    look(f"the {role}'s tokens are those of the service", asked and (exact or near or silent), seen)


def the_commands():
    """What a person would ask next."""
    for command in (["review", "list"], ["receipts", "verify"], ["bus", "verify"], ["preflight", "full"], ["doctor"]):
        ran = subprocess.run(["teof", *command], capture_output=True, text=True)
        look("teof " + " ".join(command), ran.returncode == 0, (ran.stdout + ran.stderr).strip().split("\n")[-1])


def nothing_runs():
    """In here processes are numbered anew, so whatever runs was begun for this job."""
    ours = {os.getpid(), os.getppid()}
    left = []
    for folder in glob.glob("/proc/[0-9]*"):
        with open(folder + "/cmdline", encoding="utf-8", errors="replace") as file:
            words = file.read().split("\0")
        if int(folder.split("/")[2]) not in ours and words[0] and not any(w.endswith("model.py") for w in words):
            left.append(" ".join(words)[:200])
    look("no process is left", not left, "; ".join(left))


def the_row(agent, version):
    """What was seen, as one row of docs/compatibility.md."""
    word = {True: "yes", False: "no"}
    tokens = "exact" if row.get("counts") else "not reported" if agent in COUNTS_NOTHING else "less than used"
    cells = [
        agent,
        version.split("\n")[0][:60],
        "whole" if not missing else "missing: " + "; ".join(missing)[:120].replace("|", "/"),
        row.get("sandbox", ""),
        word[bool(row.get("resumes"))],
        tokens + (", costs" if row.get("costs") else ""),
    ]
    with open("../row.md", "w", encoding="utf-8") as file:
        file.write("| " + " | ".join(cells) + " |\n")


def main():
    agent = sys.argv[1]
    print(f"\nWhat {agent} left:")
    nothing_runs()
    the_record(agent)
    the_bundle(agent)
    the_commands()
    the_row(agent, sys.argv[2] if len(sys.argv) > 2 else "")
    if missing:
        sys.exit(f"missing: {', '.join(missing)}")
    print("\nOne whole job, from plan step to review bundle.")


if __name__ == "__main__":
    main()
