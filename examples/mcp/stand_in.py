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
    tool = next((tool for tool in tools if tool.endswith("teof__" + name)), None)
    if tool is None:
        raise LookupError(f"the agent offers no tool {name} of teof, only: " + ", ".join(tools))
    return "agent", model.Say(tool=tool, arguments=arguments)


class Namespaces(model.Responses):
    """codex puts the tools of a server into a namespace."""

    @staticmethod
    def read(body):
        turns, tools = model.Responses.read(body)
        for group in body.get("tools") or []:
            if group["type"] == "namespace":
                tools |= {f"{group['name']}__{one['name']}": model.declared(one.get("parameters")) for one in group["tools"]}
        return turns, tools

    @staticmethod
    def write(say, body, used):
        events = model.Responses.write(say, body, used)
        for _, event in events:
            item = event.get("item", {})
            if item.get("type") == "function_call" and "__" in item["name"]:
                item["namespace"], item["name"] = item["name"].rsplit("__", 1)
        return events


if __name__ == "__main__":
    model.answer = answer
    model.PROTOCOLS = [(end, Namespaces if protocol is model.Responses else protocol) for end, protocol in model.PROTOCOLS]
    model.main()
