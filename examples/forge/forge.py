"""One repository of a forge, as far as gh asks about it: pull requests, issues, checks, reviews, and what is merged how.

The commits are those of a bare git repository. `settings` decides what the repository allows."""
import subprocess
import time

from graphql import Fault, connection

NAME, MAIN = "demo", "main"


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def user(login):
    return {"__typename": "User", "id": f"U_{login}", "login": login, "name": login.title()}


class Forge:
    def __init__(self, folder, owner, host):
        self.folder, self.owner, self.url = folder, owner, f"https://{host}/{owner}/{NAME}"
        self.settings = {"merge": True, "squash": True, "rebase": True, "default": "MERGE", "required": [], "auto": False}
        self.writers = {owner: "admin"}
        self.pulls, self.issues, self.checks, self.logs = [], [], {}, {}

    def git(self, *args, given=None):
        environment = {"PATH": "/usr/bin:/bin", "GIT_AUTHOR_NAME": "forge", "GIT_AUTHOR_EMAIL": "forge@example.invalid",
                       "GIT_COMMITTER_NAME": "forge", "GIT_COMMITTER_EMAIL": "forge@example.invalid"}
        ran = subprocess.run(["git", "-C", self.folder, *args], input=given, text=True, capture_output=True,
                             env=environment)
        if ran.returncode:
            raise Fault(f"git {args[0]}: {ran.stderr.strip() or ran.stdout.strip()}")
        return ran.stdout.strip()

    def tip(self, branch):
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
        except Fault:
            return None

    # --- what happens to it

    def pull(self, number=None, node=None):
        found = [one for one in self.pulls if number == one["number"] or node == f"PR_{one['number']}"]
        if not found:
            raise Fault(f"Could not resolve to a PullRequest with the number of {number}.")
        return found[0]

    def head(self, pull):
        """The commit that it offers: its branch's tip while it is open."""
        if pull["state"] == "OPEN":
            pull["head"] = self.tip(pull["branch"]) or pull["head"]
        return pull["head"]

    def open(self, asked, login):
        branch, base = asked["headRefName"].rsplit(":")[-1], asked["baseRefName"]
        if not self.tip(branch):
            raise Fault("Head sha can't be blank, Base sha can't be blank, Head ref must be a branch")
        if any(one["branch"] == branch and one["state"] == "OPEN" for one in self.pulls):
            raise Fault(f"A pull request already exists for {self.owner}:{branch}.")
        pull = {"number": 1 + len(self.pulls) + len(self.issues), "branch": branch, "base": base, "head": None,
                "title": asked["title"], "body": asked.get("body") or "", "draft": bool(asked.get("draft")),
                "state": "OPEN", "author": login, "by": None, "merged": None, "reviews": [], "comments": [],
                "auto": None, "created": now()}
        self.pulls.append(pull)
        return pull

    def missing(self, pull):
        """The required checks that did not pass."""
        passed = {check["name"] for check in self.checks.get(self.head(pull), []) if check["conclusion"] == "SUCCESS"}
        return [name for name in self.settings["required"] if name not in passed]

    def merge(self, pull, asked, login):
        head, method = self.head(pull), asked.get("mergeMethod", "MERGE")
        if pull["state"] != "OPEN":
            raise Fault("Pull request is closed" if pull["state"] == "CLOSED" else "Pull Request is already merged")
        if pull["draft"]:
            raise Fault("Pull Request is still a draft")
        if asked.get("expectedHeadOid") not in (None, head):
            raise Fault("Head branch was modified. Review and try the merge again.")
        if not self.settings[method.lower()]:
            kind = {"MERGE": "Merge commits", "SQUASH": "Squash merges", "REBASE": "Rebase merges"}[method]
            raise Fault(f"{kind} are not allowed on this repository.")
        if self.missing(pull):
            raise Fault(f"Required status check \"{self.missing(pull)[0]}\" is expected.")
        main = self.tip(pull["base"])
        tree = self.git("merge-tree", "--write-tree", main, head).splitlines()[0]
        title = asked.get("commitHeadline") or f"{pull['title']} (#{pull['number']})"
        message = f"{title}\n\n{asked.get('commitBody') or ''}".strip()
        if method == "REBASE":
            message = self.git("log", "-1", "--format=%B", head)
        parents = ["-p", main] + (["-p", head] if method == "MERGE" else [])
        commit = self.git("commit-tree", tree, *parents, given=message)
        self.git("update-ref", f"refs/heads/{pull['base']}", commit, main)
        pull.update(state="MERGED", merged=commit, by=login, auto=None)

    def enable_auto(self, pull, asked, login):
        if not self.settings["auto"]:
            raise Fault("Auto merge is not allowed for this repository")
        pull["auto"] = (asked, login)

    def check(self, commit, name, conclusion, log):
        """A check run of GitHub Actions; a later one of the same name is a further attempt."""
        number = 100 + sum(len(some) for some in self.checks.values())
        run = {"id": number, "name": name, "conclusion": conclusion, "at": f"2026-01-05T10:{number % 60:02}:00Z"}
        self.checks.setdefault(commit, []).append(run)
        self.logs[number] = log
        for pull in self.pulls:
            if pull["auto"] and pull["state"] == "OPEN" and not self.missing(pull):
                self.merge(pull, *pull["auto"])

    # --- as the types of GraphQL

    def repository(self):
        settings = self.settings
        return {
            "__typename": "Repository", "id": "R_1", "name": NAME, "nameWithOwner": f"{self.owner}/{NAME}",
            "owner": user(self.owner), "url": self.url, "description": "", "isPrivate": False, "isFork": False,
            "parent": None, "hasIssuesEnabled": True, "hasWikiEnabled": False, "isArchived": False,
            "viewerPermission": "WRITE", "defaultBranchRef": {"__typename": "Ref", "name": MAIN},
            "mergeCommitAllowed": settings["merge"], "squashMergeAllowed": settings["squash"],
            "rebaseMergeAllowed": settings["rebase"], "viewerDefaultMergeMethod": settings["default"],
            "pullRequestTemplates": [], "issueTemplates": [],
            "pullRequest": lambda args: self.pull_type(self.pull(args["number"])),
            "issueOrPullRequest": lambda args: self.pull_type(self.pull(args["number"])),
            "pullRequests": lambda args: connection(self.listed(args))(args),
            "issues": lambda args: connection(self.issues_of(args))(args),
        }

    def listed(self, args):
        states, head, base = args.get("states"), args.get("headRefName"), args.get("baseRefName")
        found = [one for one in self.pulls if not states or one["state"] in states]
        found = [one for one in found if head in (None, one["branch"]) and base in (None, one["base"])]
        return [self.pull_type(one) for one in reversed(found)]

    def issues_of(self, args):
        states = args.get("states") or []
        found = [one for one in self.issues if not states or one["state"] in states]
        return [self.issue_type(one) for one in reversed(found)]

    def found(self, args):
        """A search: gh asks only for what was not planned."""
        dropped = [one for one in self.issues if one.get("reason") == "NOT_PLANNED"]
        if 'reason:"not planned"' not in args["query"]:
            raise Fault(f"no such search: {args['query']}")
        return {**connection([self.issue_type(one) for one in dropped])({}), "issueCount": len(dropped)}

    def issue_type(self, issue):
        labels = [{"__typename": "Label", "id": f"L_{name}", "name": name, "description": "", "color": "ededed"}
                  for name in issue.get("labels", [])]
        return {"__typename": "Issue", "id": f"I_{issue['number']}", "number": issue["number"],
                "title": issue["title"], "body": issue.get("body", ""), "state": issue["state"],
                "stateReason": issue.get("reason"), "labels": connection(labels),
                "url": f"{self.url}/issues/{issue['number']}"}

    def pull_type(self, pull):
        head = self.head(pull)
        commit = {"__typename": "Commit", "oid": head, "statusCheckRollup": self.rollup(head)}
        commits = [{"__typename": "PullRequestCommit", "commit": commit}]
        reviews = [self.review_type(at, review) for at, review in enumerate(pull["reviews"])]
        blocked = "BLOCKED" if self.missing(pull) else "DRAFT" if pull["draft"] else "CLEAN"
        return {
            "__typename": "PullRequest", "id": f"PR_{pull['number']}", "number": pull["number"],
            "url": f"{self.url}/pull/{pull['number']}", "state": pull["state"], "isDraft": pull["draft"],
            "title": pull["title"], "body": pull["body"], "author": user(pull["author"]),
            "headRefName": pull["branch"], "headRefOid": head, "baseRefName": pull["base"],
            "isCrossRepository": False, "headRepository": {"__typename": "Repository", "id": "R_1", "name": NAME},
            "headRepositoryOwner": user(self.owner), "createdAt": pull["created"], "mergeable": "MERGEABLE",
            "mergedAt": now() if pull["merged"] else None, "mergedBy": pull["by"] and user(pull["by"]),
            "mergeCommit": pull["merged"] and {"__typename": "Commit", "oid": pull["merged"]},
            "mergeStateStatus": blocked, "isInMergeQueue": False, "isMergeQueueEnabled": False,
            "maintainerCanModify": False, "baseRef": {"__typename": "Ref", "branchProtectionRule": None},
            "commits": connection(commits), "reviews": connection(reviews),
            "autoMergeRequest": None, "reviewDecision": "",
        }

    def review_type(self, at, review):
        return {"__typename": "PullRequestReview", "id": f"PRR_{at}", "author": user(review["login"]),
                "authorAssociation": "MEMBER", "submittedAt": now(), "body": review["body"], "state": review["state"],
                "commit": None, "reactionGroups": []}

    def rollup(self, commit):
        workflow = {"__typename": "WorkflowRun", "event": "pull_request",
                    "workflow": {"__typename": "Workflow", "name": "ci"}}
        runs = [{"__typename": "CheckRun", "name": run["name"], "status": "COMPLETED" if run["conclusion"] else
                 "IN_PROGRESS", "conclusion": run["conclusion"], "startedAt": run["at"], "completedAt": run["at"],
                 "detailsUrl": f"{self.url}/actions/runs/{run['id']}/job/{run['id']}", "isRequired": lambda _: False,
                 "checkSuite": {"__typename": "CheckSuite", "workflowRun": workflow}}
                for run in self.checks.get(commit, [])]
        return {"__typename": "StatusCheckRollup", "contexts": connection(runs)} if runs else None
