#!/usr/bin/env python3
"""A small stand-in for a model service: it plays one scripted job to whatever coding agent asks.

    model.py PORT [LOG]

It speaks, on loopback, as much of four services' protocols as coding-agent CLIs need: messages (claude),
responses (codex), chat completions (qwen, opencode) and generateContent (gemini). It keeps nothing between
requests: what it says follows from the conversation that the agent sends, so rounds may be resumed or not.

The script, for a request that asks for `greet.sh`:
  planner    answers with a plan;
  coder      looks around with the agent's own shell tool; writes the file, wrong the first time; finds it
             there when it is sent back, and fixes it; then answers;
  tester     tries the file with the shell tool, then answers with a verdict about what it saw (the foreman
             runs the tests itself, before);
  reviewer   looks at the file with the shell tool, then answers with a verdict about what it saw.
"""

import json
import re
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILE = "greet.sh"
WRONG = '#!/bin/sh\n# Greets whom the first argument names.\necho "Hello $1"\n'
RIGHT = '#!/bin/sh\n# Greets whom the first argument names.\necho "Hello, $1!"\n'
FIX = "sed -i 's/Hello $1/Hello, $1!/' " + FILE

WHO = {"user": "user", "assistant": "agent", "tool": "result"}

# The first line of each role's prompt.
ROLE = re.compile(r"^# (Plan|Do|Test|Review) one piece of work", re.MULTILINE)


# --- the script -------------------------------------------------------------------------------------------


class Say:
    """What the model says next: text, or a call of one of the agent's tools."""

    def __init__(self, text="", tool=None, arguments=None):
        self.text, self.tool, self.arguments = text, tool, arguments


def answer(turns, tools):
    """`turns`: (who, text) in order, who is `user`, `agent` or `result`; `tools`: what the agent offers.

    Gives the role that it played, `None` for a request on the side (a title, a summary, a probe), and its words.
    """
    asked = [at for at, (who, text) in enumerate(turns) if who == "user" and ROLE.search(text)]
    edits_text = any(who == "system" and "*file listing*" in text for who, text in turns)
    if not asked or not (tools or edits_text):
        return None, Say("A greeting")
    role = ROLE.search(turns[asked[-1]][1]).group(1)
    if edits_text:
        return without_tools(role, turns)
    play = {"Plan": planner, "Do": coder, "Test": tester, "Review": reviewer}[role]
    results = [text for who, text in turns[asked[-1] + 1 :] if who == "result"]
    return play.__name__, play(results, tools)


def planner(_results, _tools):
    return reply("One file is to be written, greet.sh; test.sh says what it must print.")


def coder(results, tools):
    if not results:
        return shell("pwd && ls", tools)
    if len(results) == 1:
        if re.search(r"\b" + re.escape(FILE), results[0]):
            return shell(FIX, tools)
        return write(FILE, WRONG, results[0], tools)
    return reply("greet.sh is there.")


def tester(results, tools):
    if not results:
        return shell("sh greet.sh Ada", tools)
    verdict = "pass" if "Hello, Ada!" in results[-1] else "fail"
    return reply("greet.sh was tried with a name.", verdict=verdict, confidence=80, findings=[])


def reviewer(results, tools):
    if not results:
        return shell("cat " + FILE, tools)
    if "Hello, $1!" in results[-1]:
        return reply("greet.sh does what was asked for.", verdict="approve", confidence=90, findings=[])
    wrong = {"file": FILE, "line": 3, "severity": "high", "message": "the greeting is not the one asked for"}
    return reply("greet.sh is wrong.", verdict="reject", confidence=90, findings=[wrong])


def without_tools(role, turns):
    """aider has none: files that it knows are in its messages, and it takes new ones from the answer."""
    seen = "\n".join(text for who, text in turns if who == "user")
    if role == "Do":
        content = RIGHT if WRONG in seen else WRONG
        return "coder", Say(f"{FILE}\n```\n{content}```\n\n{reply('greet.sh is there.').text}")
    if role == "Plan":
        return "planner", planner([], {})
    return {"Test": ("tester", tester(["Hello, Ada!"], {})), "Review": ("reviewer", reviewer([seen], {}))}[role]


def reply(analysis, **more):
    return Say(json.dumps({"analysis": analysis, "commands": [], "receipts": [], **more}))


def shell(command, tools):
    """A call of the agent's tool that runs a command, whatever it is named, with what it wants to be told."""
    for tool in ("exec_command", "Bash", "bash", "run_shell_command", "Execute"):
        key = declares(tools, tool, "cmd", "command")
        if key:
            why = "A step of the script"
            beside = {"description": why, "is_background": False}
            beside |= {"summary": why, "riskLevel": "low", "riskLevelReason": why}
            return Say(tool=tool, arguments={key: command} | {k: v for k, v in beside.items() if k in tools[tool]})
    raise LookupError("the agent offers no tool that runs a command, only: " + ", ".join(tools))


def write(name, content, seen, tools):
    """A call of its tool that writes a file, or of its shell. What was `seen` holds the folder's path."""
    folder = re.search(r"(?m)^(?:Output:\s*)?(/\S+)\s*$", seen)
    for tool in ("Write", "write", "write_file"):
        key = declares(tools, tool, "file_path", "filePath", "path")
        if key and folder:
            return Say(tool=tool, arguments={key: f"{folder.group(1)}/{name}", "content": content})
    return shell(f"cat > {name} <<'END'\n{content}END", tools)


def declares(tools, tool, *keys):
    """The first of these arguments that a tool takes."""
    return next((key for key in keys if key in tools.get(tool, ())), None)


def of_teof(name, tools):
    """The agent's name of a tool of `teof mcp`."""
    for tool in tools:
        if tool.endswith("teof__" + name):
            return tool
    raise LookupError(f"the agent offers no tool {name} of teof, only: " + ", ".join(tools))


# --- the protocols: a request's conversation, and an answer's stream ---------------------------------------


def words(content):
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    parts = content or []
    return "\n".join(part if isinstance(part, str) else part.get("text") or "" for part in parts)


def declared(schema):
    return list(((schema or {}).get("properties") or {}).keys())


def identifier(prefix):
    return prefix + uuid.uuid4().hex[:16]


class Messages:
    """claude: `POST /v1/messages`."""

    @staticmethod
    def read(body):
        turns = []
        for message in body["messages"]:
            content = message["content"]
            for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
                if block["type"] == "tool_result":
                    turns.append(("result", words(block.get("content"))))
                elif block["type"] == "text":
                    turns.append(("user" if message["role"] == "user" else "agent", block["text"]))
        return turns, {tool["name"]: declared(tool.get("input_schema")) for tool in body.get("tools") or []}

    @staticmethod
    def write(say, body, used):
        if say.tool:
            block = {"type": "tool_use", "id": identifier("toolu_"), "name": say.tool, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(say.arguments)}
            whole = {**block, "input": say.arguments}
        else:
            block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": say.text}
            whole = {"type": "text", "text": say.text}
        usage = {
            "input_tokens": used[0],
            "output_tokens": used[1],
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        }
        message = {
            "id": identifier("msg_"),
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": 1},
        }
        stop = "tool_use" if say.tool else "end_turn"
        if not body.get("stream"):
            return {**message, "content": [whole], "stop_reason": stop, "usage": usage}
        events = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        ]
        return [(event["type"], event) for event in events]


class Responses:
    """codex: `POST /v1/responses`."""

    @staticmethod
    def read(body):
        turns = []
        for item in body["input"]:
            kind = item.get("type", "message")
            if kind == "message":
                turns.append((WHO.get(item["role"], "system"), words(item["content"])))
            elif kind.endswith("_call_output"):
                turns.append(("result", words(item["output"])))
        tools = {}
        for tool in body.get("tools") or []:
            if tool["type"] == "function":
                tools[tool["name"]] = declared(tool.get("parameters"))
            # The tools of an MCP server.
            elif tool["type"] == "namespace":
                tools |= {f"{tool['name']}__{one['name']}": declared(one.get("parameters")) for one in tool["tools"]}
        return turns, tools

    @staticmethod
    def write(say, _body, used):
        if say.tool:
            item = {"type": "function_call", "call_id": identifier("call_"), "name": say.tool}
            if "__" in say.tool:
                item["namespace"], item["name"] = say.tool.rsplit("__", 1)
            item["arguments"] = json.dumps(say.arguments)
        else:
            item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": say.text}]}
        item["id"] = identifier("item_")
        response = {"id": identifier("resp_")}
        usage = {
            "input_tokens": used[0],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": used[1],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": sum(used),
        }
        events = [
            {"type": "response.created", "response": response},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": {**response, "usage": usage}},
        ]
        return [(event["type"], event) for event in events]


class Chat:
    """qwen, opencode: `POST /v1/chat/completions`."""

    @staticmethod
    def read(body):
        turns = [(WHO.get(m["role"], "system"), words(m.get("content"))) for m in body["messages"]]
        functions = [tool["function"] for tool in body.get("tools") or []]
        return turns, {function["name"]: declared(function.get("parameters")) for function in functions}

    @staticmethod
    def write(say, body, used):
        message = {"role": "assistant", "content": say.text or None}
        if say.tool:
            function = {"name": say.tool, "arguments": json.dumps(say.arguments)}
            message["tool_calls"] = [{"index": 0, "id": identifier("call_"), "type": "function", "function": function}]
        stop = "tool_calls" if say.tool else "stop"
        usage = {"prompt_tokens": used[0], "completion_tokens": used[1], "total_tokens": sum(used)}
        whole = {"id": identifier("chatcmpl-"), "created": 0, "model": body["model"]}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": stop}
            return {**whole, "object": "chat.completion", "choices": [choice], "usage": usage}
        whole["object"] = "chat.completion.chunk"
        chunks = [
            {**whole, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
            {**whole, "choices": [{"index": 0, "delta": {}, "finish_reason": stop}]},
            {**whole, "choices": [], "usage": usage},
        ]
        return [(None, chunk) for chunk in chunks] + [(None, "[DONE]")]


class Generate:
    """gemini: `POST /v1beta/models/MODEL:streamGenerateContent`, and without `stream`."""

    @staticmethod
    def read(body):
        turns = []
        for content in body["contents"]:
            for part in content["parts"]:
                if "functionResponse" in part:
                    response = part["functionResponse"]["response"]
                    turns.append(("result", str(response.get("output") or response)))
                elif part.get("text"):
                    turns.append(("user" if content.get("role") == "user" else "agent", part["text"]))
        tools = {}
        for group in body.get("tools") or []:
            for tool in group.get("functionDeclarations") or []:
                tools[tool["name"]] = declared(tool.get("parametersJsonSchema") or tool.get("parameters"))
        return turns, tools

    @staticmethod
    def write(say, body, used):
        part = {"functionCall": {"name": say.tool, "args": say.arguments}} if say.tool else {"text": say.text}
        content = {"role": "model", "parts": [part]}
        usage = {"promptTokenCount": used[0], "candidatesTokenCount": used[1], "totalTokenCount": sum(used)}
        whole = {"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}], "usageMetadata": usage}
        return [(None, whole)] if body["stream"] else whole


# --- the server -------------------------------------------------------------------------------------------


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log = None

    def do_HEAD(self):
        self.document({})

    def do_GET(self):
        self.document({"object": "list", "data": [], "models": []})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.split("?")[0]
        used = [len(raw) // 4, 0]
        if path.endswith("count_tokens") or path.endswith(":countTokens"):
            return self.document({"input_tokens": used[0], "totalTokens": used[0]})
        protocol = next((p for end, p in PROTOCOLS if path.endswith(end)), None)
        if protocol is None:
            return self.document({"error": {"message": "the stand-in has no " + path}}, 404)
        body = json.loads(raw)
        if protocol is Generate:
            body["stream"] = "stream" in path
        turns, tools = protocol.read(body)
        try:
            role, say = answer(turns, tools)
        except LookupError as missing:
            return self.document({"error": {"message": str(missing)}}, 400)
        used[1] = len(say.text or json.dumps(say.arguments)) // 4 + 1
        self.note(path=path, role=role, turns=len(turns), tools=len(tools), input=used[0], output=used[1], said=vars(say))
        reply = protocol.write(say, body, used)
        if isinstance(reply, dict):
            return self.document(reply)
        return self.stream(reply)

    def document(self, document, status=200):
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def stream(self, events):
        """Server-sent events; the end of the connection is the end of the stream."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for name, event in events:
            if name:
                self.wfile.write(f"event: {name}\n".encode())
            data = event if isinstance(event, str) else json.dumps(event)
            self.wfile.write(f"data: {data}\n\n".encode())
            self.wfile.flush()

    def note(self, **request):
        """A line per request, for the one who counts and the one who looks for what went wrong."""
        if self.log:
            self.log.write(json.dumps(request) + "\n")
            self.log.flush()

    def log_message(self, *_):
        pass


PROTOCOLS = [
    ("/messages", Messages),
    ("/responses", Responses),
    ("/chat/completions", Chat),
    ("enerateContent", Generate),
]


def main():
    if len(sys.argv) > 2:
        Service.log = open(sys.argv[2], "a", encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service)
    print("listening on port " + sys.argv[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
