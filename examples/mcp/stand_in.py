#!/usr/bin/env python3
"""A stand-in for a model service that works on one task through the tools of `teof mcp`.

    stand_in.py PORT [LOG]

The protocols are those of ../real-agent/model.py; only what is said is another script.
"""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(here, "..", "real-agent"))
import model  # noqa: E402

TASK = "QUEUE-001"
ASKED = f"Work on {TASK} with the tools of teof"
PROOF = "_report/agent/codex-1/proof.txt"
# Each is a tool with its arguments, or a command for the agent's shell.
STEPS = [
    ("claim", {"task": TASK}),
    ("boot", {"sync": False, "focus": "A greeting"}),
    ("claim", {"task": TASK, "allow_unassigned": True}),
    ("event", {"event": "status", "summary": "Halfway", "task": TASK}),
    f"mkdir -p {os.path.dirname(PROOF)} && echo Hello > {PROOF}",
    ("receipt", {"paths": [PROOF]}),
    ("event", {"event": "complete", "summary": "Greeted", "task": TASK, "receipts": [PROOF]}),
    ("release", {"task": TASK}),
]


def answer(turns, tools):
    asked = [at for at, (who, text) in enumerate(turns) if who == "user" and ASKED in text]
    if not asked or not tools:
        return None, model.Say("A greeting")
    results = [text for who, text in turns[asked[-1] + 1 :] if who == "result"]
    if len(results) == len(STEPS):
        return "agent", model.Say("It is done. First I was told: " + results[0])
    step = STEPS[len(results)]
    if isinstance(step, str):
        return "agent", model.shell(step, tools)
    name, arguments = step
    return "agent", model.Say(tool=model.of_teof(name, tools), arguments=arguments)


if __name__ == "__main__":
    model.answer = answer
    model.main()
