"""Stands in for GitHub on loopback: answers what gh and git ask, for one repository.

    service.py BARE CERTIFICATE KEY LOG [PORT]

Over HTTPS it serves the bare repository's git (through git's own http-backend), GraphQL and the parts of the REST
interface that gh calls. A token is `token-of-LOGIN`. POST /_control takes what people and CI would do, as JSON: run.sh
says what. Each query goes to LOG."""
import base64
import http.server
import io
import json
import os
import re
import ssl
import subprocess
import sys
import zipfile

import graphql
from forge import MAIN, NAME, Forge, user

OWNER, HOST = "demo", "github.com"
REFUSE = """#!/bin/sh
# A protected branch: nobody moves it over the network.
[ -n "$REMOTE_USER" ] || exit 0
while read -r old new ref; do
  [ "$ref" != refs/heads/main ] || { echo "GH006: Protected branch update failed for $ref." >&2; exit 1; }
done
"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    forge = log = None

    def log_message(self, *_):
        pass

    def login(self):
        given = self.headers.get("Authorization", "")
        kind, _, value = given.partition(" ")
        if kind.lower() == "basic":
            value = base64.b64decode(value).decode().partition(":")[2]
        return value.removeprefix("token-of-") if value.startswith("token-of-") else None

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status, what, kind="application/json; charset=utf-8", headers=()):
        data = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", str(len(data))), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        path, _, query = self.path.partition("?")
        body, login = self.body(), self.login()
        print(self.command, self.path, json.loads(body)["query"][:200] if path == "/graphql" else "", login,
              file=self.log, flush=True)
        if path == "/_control":
            return self.answer(200, control(self.forge, json.loads(body)))
        if path.startswith(f"/{OWNER}/{NAME}.git/"):
            return self.git(path, query, body, login)
        if not login:
            return self.answer(401, {"message": "Bad credentials"})
        if path == "/graphql":
            return self.answer(200, graphql.execute(json.loads(body), roots(self.forge, login)))
        self.rest(path.removeprefix(f"/repos/{OWNER}/{NAME}"), query, login)

    def git(self, path, query, body, login):
        if not login:
            return self.answer(401, b"", "text/plain", [("WWW-Authenticate", 'Basic realm="forge"')])
        folder = os.path.dirname(self.forge.folder)
        environment = {**os.environ, "GIT_PROJECT_ROOT": folder, "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": login,
                       "PATH_INFO": path.removeprefix(f"/{OWNER}"), "QUERY_STRING": query,
                       "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                       "CONTENT_LENGTH": str(len(body)), "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                       "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", "")}
        ran = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=environment)
        head, _, data = ran.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200 OK").split()[0])
        kind = headers.pop("Content-Type", "text/plain")
        headers.pop("Content-Length", None)
        self.answer(status, data, kind, headers.items())

    def rest(self, path, _query, login):
        forge = self.forge
        if path == "/":
            scopes = [("X-OAuth-Scopes", "repo, read:org, workflow")]
            return self.answer(200, {}, headers=scopes)
        if path == "/user":
            return self.answer(200, {"login": login})
        if found := re.fullmatch(r"/collaborators/([^/]+)/permission", path):
            return self.answer(200, {"permission": forge.writers.get(found[1], "read"), "user": user(found[1])})
        if found := re.fullmatch(r"/pulls/(\d+)/comments", path):
            some = forge.pull(int(found[1]))["comments"]
            return self.answer(200, [{"id": 900 + at, "user": user(one["login"]), "path": one["path"],
                                      "line": one["line"], "original_line": one["line"], "body": one["body"]}
                                     for at, one in enumerate(some)][::-1])
        if path == "/actions/workflows/1":
            return self.answer(200, {"id": 1, "name": "ci", "state": "active", "path": ".github/workflows/ci.yml"})
        if found := re.fullmatch(r"/actions/(?:jobs|runs)/(\d+)(/logs|/jobs)?", path):
            return self.actions(int(found[1]), path)
        self.answer(404, {"message": "Not Found"})

    def actions(self, number, path):
        """A run of CI, which has one job of the same number with one step."""
        name = next((run["name"] for some in self.forge.checks.values() for run in some if run["id"] == number), None)
        if name is None:
            return self.answer(404, {"message": "Not Found"})
        at, over = "2026-01-05T10:00:00Z", {"status": "completed", "conclusion": "failure"}
        step = {"name": "Run tests", "number": 1, **over}
        job = {"id": number, "run_id": number, "name": name, "steps": [step], "started_at": at, "completed_at": at,
               "html_url": f"{self.forge.url}/actions/runs/{number}/job/{number}",
               "url": f"https://api.{HOST}/repos/{OWNER}/{NAME}/actions/jobs/{number}", **over}
        if path == f"/actions/jobs/{number}":
            return self.answer(200, job)
        if path.endswith("/jobs"):
            return self.answer(200, {"total_count": 1, "jobs": [job]})
        if path.endswith("/logs"):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr(f"{name}/1_Run tests.txt", self.forge.logs[number])
            return self.answer(200, packed.getvalue(), "application/zip")
        api = f"https://api.{HOST}/repos/{OWNER}/{NAME}/actions/runs/{number}"
        self.answer(200, {"id": number, "name": "ci", "display_title": "ci", "head_branch": MAIN, "head_sha": "0" * 40,
                          "run_number": 1, "run_attempt": 1, "event": "pull_request", "workflow_id": 1,
                          "created_at": at, "updated_at": at, "run_started_at": at, "jobs_url": f"{api}/jobs",
                          "html_url": f"{self.forge.url}/actions/runs/{number}", "url": api, **over})


def roots(forge, login):
    """What gh may ask for, as this account."""

    def change(act, answer):
        def run(args):
            asked = args["input"]
            act(forge.pull(node=asked["pullRequestId"]), asked)
            return {"__typename": answer, "clientMutationId": "", "pullRequest": None}

        return run

    def create(args):
        return {"__typename": "Created", "pullRequest": forge.pull_type(forge.open(args["input"], login))}

    repository = lambda args: forge.repository() if (args["owner"], args["name"]) == (OWNER, NAME) else missing(args)
    query = {"__typename": "Query", "viewer": user(login), "repository": repository, "__type": lambda _: None,
             "search": lambda args: forge.found(args)}
    mutation = {
        "__typename": "Mutation",
        "createPullRequest": create,
        "markPullRequestReadyForReview": change(lambda pull, _: pull.update(draft=False), "Ready"),
        "convertPullRequestToDraft": change(lambda pull, _: pull.update(draft=True), "Draft"),
        "closePullRequest": change(lambda pull, _: pull.update(state="CLOSED"), "Closed"),
        "reopenPullRequest": change(lambda pull, _: pull.update(state="OPEN"), "Opened"),
        "mergePullRequest": change(lambda pull, asked: forge.merge(pull, asked, login), "Merged"),
        "enablePullRequestAutoMerge": change(lambda pull, asked: forge.enable_auto(pull, asked, login), "Auto"),
    }
    return {"query": query, "mutation": mutation}


def missing(args):
    raise graphql.Fault(f"Could not resolve to a Repository with the name '{args['owner']}/{args['name']}'.")


def control(forge, asked):
    """What people and CI do: the answer is the state of the newest pull request."""
    forge.settings.update(asked.get("settings", {}))
    forge.writers.update(asked.get("writers", {}))
    forge.issues.extend(asked.get("issues", []))
    newest = forge.pulls[-1] if forge.pulls else None
    if not newest:
        return {}
    for check in asked.get("checks", []):
        forge.check(forge.head(newest), check["name"], check["conclusion"], check.get("log", ""))
    newest["reviews"] += asked.get("reviews", [])
    newest["comments"] += asked.get("comments", [])
    return {**newest, "head": forge.head(newest), "auto": bool(newest["auto"])}


def main(bare, certificate, key, log, port="443"):
    hook = os.path.join(bare, "hooks", "pre-receive")
    with open(hook, "w", encoding="utf-8") as file:
        file.write(REFUSE)
    os.chmod(hook, 0o755)
    Handler.forge, Handler.log = Forge(bare, OWNER, HOST), open(log, "a", encoding="utf-8")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
