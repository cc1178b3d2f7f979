#!/usr/bin/env python3
"""The stand-in of model.py with another script: edit one file with the agent's own tool, then say what came of it.

    hooked.py PORT [LOG]

For a prompt that asks to change the greeting, it claims T-1 with the tool of teof where the prompt asks for that, reads
greeting.txt where the tool wants that, edits it, and ends with the text of the last tool result. Whatever a hook says
afterwards, it answers with text.
"""

import model

FILE = "greeting.txt"
PATCH = f"*** Begin Patch\n*** Update File: {FILE}\n@@\n-Hello\n+Good morning\n*** End Patch\n"


def steps(tools, folder, claims):
    # A model that codex knows searches for the tools of servers; it can call one without that.
    claim = model.of_teof("claim", tools) if "Edit" in tools else "mcp__teof__claim"
    first = [(claim, {"task": "T-1", "allow_unassigned": True})] if claims else []
    if "Edit" in tools:
        path = f"{folder}/{FILE}"
        edit = {"file_path": path, "old_string": "Hello", "new_string": "Good morning"}
        return [*first, ("Read", {"file_path": path}), ("Edit", edit)]
    return [*first, ("apply_patch", PATCH)]


def answer(turns, tools):
    asked = [at for at, (who, text) in enumerate(turns) if who == "user" and "Change the greeting in " in text]
    if not asked or not tools:
        return None, model.Say("A greeting")
    folder = turns[asked[0]][1].split("Change the greeting in ")[1].split()[0]
    results = [text for who, text in turns[asked[0] + 1 :] if who == "result"]
    plan = steps(tools, folder, "Claim T-1 " in turns[asked[0]][1])
    if len(results) < len(plan):
        tool, arguments = plan[len(results)]
        return "editor", model.Say(tool=tool, arguments=arguments)
    return "editor", model.Say("The last tool said: " + results[-1])


class Responses(model.Responses):
    """Codex's own tool for patches takes text, not JSON."""

    @staticmethod
    def write(say, body, used):
        events = model.Responses.write(say, body, used)
        for _, event in events:
            item = event.get("item", {})
            if item.get("name") == "apply_patch":
                del item["arguments"]
                item.update(type="custom_tool_call", input=say.arguments)
        return events


model.answer = answer
model.PROTOCOLS = [(end, Responses if protocol is model.Responses else protocol) for end, protocol in model.PROTOCOLS]

if __name__ == "__main__":
    model.main()
