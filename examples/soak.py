#!/usr/bin/env python3
"""Runs hundreds of jobs with a scripted agent while things go wrong, and checks that no work is lost or done twice.

What goes wrong: any process of teof is killed at any moment (sometimes all at once), everything stands still for a while
as in a suspended machine, the agent crashes, answers nonsense, hangs, asks, meets outages and account limits, and, as
root, the disk is full. A coordinator that dies is started again, as a service manager does; a scripted person approves,
retries and answers.

Usage: python3 examples/soak.py [--jobs 200] [--seed 1] [--teof PATH] [--minutes 60] [--keep]
Exit code: 0 when every promise held, 1 with what did not.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

AGENT = r"""#!/bin/sh
# Prints what claude prints. What a call does depends on the clock.
cat > /dev/null
session=none
for arg in "$@"; do case $arg in --session-id=*|--resume=*) session=${arg#*=} ;; esac; done
line() { printf '%s\n' "$1"; }
result() { line "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":$1,\"result\":\"$2\",\"session_id\":\"$session\",\"total_cost_usd\":0.01,\"usage\":{\"input_tokens\":100,\"output_tokens\":10}$3}"; }
line "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"$session\",\"model\":\"scripted\"}"
# Numbers that differ between calls: the time in nanoseconds.
dice=$(( $(date +%N | sed 's/^0*//') / 1000 % 100 ))
mine="jobs/$TEOF_TASK.txt"
mkdir -p jobs
case $dice in
  [0-2]) exit 3 ;;
  [3-5]) line '{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"Overloaded"}]}}'
         result true Overloaded ',"api_error_status":529,"api_error_type":"overloaded_error"'; exit 1 ;;
  [6-7]) line "{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"rejected\",\"resetsAt\":$(( $(date +%s) + 4 )),\"rateLimitType\":\"five_hour\"},\"session_id\":\"$session\"}"
         result true limit ',"api_error_status":429'; exit 1 ;;
  8) echo partial > "$mine"; sleep 600 ;;
  9) result false 'no JSON here'; exit 0 ;;
  1[0-1]) result false '{\"analysis\": \"unsure\", \"commands\": [], \"receipts\": [], \"question\": \"Which one?\"}'; exit 0 ;;
  1[2-4]) echo wrong > "$mine"; result false '{\"analysis\": \"did it\", \"commands\": [], \"receipts\": []}'; exit 0 ;;
  1[5-9]) sleep 2 ;;
esac
echo "done by one call" > "$mine"
result false '{\"analysis\": \"did it\", \"commands\": [], \"receipts\": []}'
"""

SETTINGS = """
[lock]
wait = "30s"
[coordinator]
concurrency = 3
queue = 10
retries = 1000
retry_first = "0s"
retry_later = "1s"
breaker_after = 1000
poll_min = "1s"
poll_max = "3s"
record_every = "20s"
[worker]
grace = "1s"
after_limit = "0s"
no_output = "20s"
no_event = "20s"
[pipeline]
stages = ["coder"]
passes = 20
[roles.coder]
agent = "scripted"
[worktrees]
keep = 5
"""

KINDS = [("coordinator run", "coordinator"), ("foreman run", "foreman"), ("git ", "git"), ("agent --session", "agent"),
         ("__guard", "guard"), ("teof", "command"), ("sh", "program")]


class Soak:
    def __init__(self, options):
        self.options = options
        self.dice = random.Random(options.seed)
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="teof-soak-"))
        self.disk = self.mount()
        self.repo = (self.disk or self.place) / "project"
        self.killed = collections.Counter()
        self.said = collections.Counter()
        self.submitted = 0
        self.samples = []
        self.coordinator = None
        self.starts = 0
        self.errors = []
        self.is_quiet = threading.Event()
        home = self.place / "home"
        home.mkdir()
        self.env = {"PATH": f"{self.place}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8",
                    "TMPDIR": str(self.place / "tmp")}
        (self.place / "tmp").mkdir()
        (self.place / "bin").mkdir()
        (self.place / "bin/teof").symlink_to(pathlib.Path(shutil.which(options.teof) or options.teof).resolve())

    def mount(self):
        """A small disk of our own that can be filled; None without the right to mount one."""
        disk = self.place / "disk"
        disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=755", "teof-soak", disk], capture_output=True)
        if done.returncode != 0:
            print("no disk of our own (that needs root): it is never full")
            return None
        return disk

    def run(self, *args, **more):
        return subprocess.run(args, cwd=self.repo, env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=300, **more)

    def teof(self, *args):
        done = self.run("teof", *args)
        self.said[done.returncode] += 1
        if done.returncode == 70 or done.returncode < 0 and done.returncode != -9 or "panicked" in done.stderr:
            self.wrong(f"teof {' '.join(args)} ended with {done.returncode}: {done.stderr}")
        return done

    def must(self, *args):
        done = self.run(*args)
        if done.returncode != 0:
            sys.exit(f"{' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout

    def wrong(self, what):
        print(f"WRONG: {what}")
        self.errors.append(what)

    def prepare(self):
        self.repo.mkdir()
        agent = self.place / "bin/agent"
        agent.write_text(AGENT)
        agent.chmod(0o755)
        self.must("git", "init", "-qb", "main")
        self.must("git", "config", "user.name", "Ann")
        self.must("git", "config", "user.email", "ann@example.com")
        (self.repo / "README.md").write_text("A project\n")
        self.must("git", "add", "-A")
        self.must("git", "commit", "-qm", "Start")
        for seat in ["manager", "worker-1", "worker-2", "worker-3"]:
            self.must("teof", "init", "--agent", seat, "-q")
        settings = f'[agents.scripted]\ncommand = ["{agent}"]\nformat = "claude"\nsession_args = ["--session-id={{session}}"]\n' \
                   'resume_args = ["--resume={session}"]\n' + SETTINGS
        (self.repo / "teof.toml").write_text(settings)
        self.must("git", "add", "-A")
        self.must("git", "commit", "-qm", "Set up")
        self.must("teof", "consent", "grant", "--continuous")

    # What happens to the processes.

    def processes(self):
        mine = str(self.place)
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                environ = (entry / "environ").read_bytes().decode(errors="replace")
                state = (entry / "stat").read_text().rsplit(") ", 1)[1][0]
            except OSError:
                continue
            if mine in environ and state != "Z":
                kind = next((kind for words, kind in KINDS if words in line), "program")
                yield int(entry.name), kind

    def signal(self, pid, number):
        try:
            os.kill(pid, number)
            return True
        except ProcessLookupError:
            return False

    def kill_one(self):
        found = list(self.processes())
        wanted = self.dice.choice(KINDS)[1]
        some = [one for one in found if one[1] == wanted] or found
        if some:
            pid, kind = self.dice.choice(some)
            self.killed[kind] += self.signal(pid, signal.SIGKILL)

    def kill_all(self):
        for pid, _ in self.processes():
            self.signal(pid, signal.SIGKILL)
        self.killed["all at once"] += 1

    def suspend(self):
        stopped = [pid for pid, _ in self.processes()]
        for pid in stopped:
            self.signal(pid, signal.SIGSTOP)
        time.sleep(self.dice.uniform(2, 8))
        for pid in stopped:
            self.signal(pid, signal.SIGCONT)
        self.killed["suspended"] += 1

    def fill_disk(self):
        if self.disk is None:
            return
        filler = self.disk / "filler"
        try:
            with open(filler, "wb", buffering=0) as file:
                while True:
                    file.write(b"\0" * (1 << 20))
        except OSError:
            pass
        time.sleep(self.dice.uniform(1, 6))
        filler.unlink()
        self.killed["disk full"] += 1

    def trouble(self):
        what = self.dice.random()
        if what < 0.80:
            self.kill_one()
        elif what < 0.86:
            self.kill_all()
        elif what < 0.93:
            self.suspend()
        else:
            self.fill_disk()

    # What people and the service manager do.

    def keep_running(self):
        if self.coordinator and self.coordinator.poll() is None:
            return
        if self.coordinator and self.coordinator.returncode not in (0, 1, 6, -9):
            self.wrong(f"the coordinator ended with {self.coordinator.returncode}; see {self.place}/coordinator.log")
        with open(self.place / "coordinator.log", "ab") as log:
            self.coordinator = subprocess.Popen(["teof", "coordinator", "run"], cwd=self.repo, env=self.env,
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.starts += 1

    def submit(self):
        if self.submitted >= self.options.jobs:
            return
        name = f"job-{self.submitted}"
        # A submission that was killed may have been made.
        if any((self.repo / "_plans").glob(f"*-{name}.plan.json")):
            self.submitted += 1
            return
        done = self.teof("coordinator", "submit", "--name", name, "--objective", f"Write file number {self.submitted}", "--test",
                         f'grep -q "done by one call" jobs/{name}.txt')
        if done.returncode == 0:
            self.submitted += 1
        elif done.returncode == 2:
            sys.exit(done.stderr)

    def jobs(self):
        done = self.teof("coordinator", "status", "--limit", "100000", "--json")
        if done.returncode != 0:
            return []
        status = json.loads(done.stdout)
        return status["jobs"] + status["finished"]

    def decide(self):
        jobs = self.jobs() or []
        for job in jobs:
            phase = job["phase"]
            if phase["is"] == "review" and not job.get("decision"):
                self.teof("review", "approve", job["id"], "--by", "Ann")
            elif phase["is"] == "question":
                self.teof("coordinator", "answer", job["id"], "The second one")
        blocked = [job for job in jobs if job["phase"].get("ending") == "blocked"]
        last = {job["task"]: job for job in jobs}
        for job in blocked:
            if last[job["task"]] is job:
                self.teof("review", "retry", job["id"], "--note", "Try again")
        return jobs

    def measure(self):
        try:
            status = pathlib.Path(f"/proc/{self.coordinator.pid}/status").read_text()
            rss = int(status.split("VmRSS:")[1].split()[0])
            files = len(list(pathlib.Path(f"/proc/{self.coordinator.pid}/fd").iterdir()))
            self.samples.append((time.monotonic(), rss, files))
        except (OSError, IndexError):
            pass

    def make_trouble(self):
        while not self.is_quiet.wait(self.dice.uniform(0.2, 3)):
            self.trouble()

    def live(self):
        trouble = threading.Thread(target=self.make_trouble, daemon=True)
        trouble.start()
        try:
            self.work()
        finally:
            self.is_quiet.set()
            trouble.join()

    def work(self):
        end = time.monotonic() + self.options.minutes * 60
        said = 0.0
        while time.monotonic() < end:
            self.keep_running()
            self.submit()
            jobs = self.decide()
            self.measure()
            done = sum(job["phase"].get("ending") == "done" for job in jobs)
            if time.monotonic() - said > 15:
                said = time.monotonic()
                rss, files = self.samples[-1][1:] if self.samples else (0, 0)
                print(f"{self.submitted} submitted, {done} done; coordinator {rss} KiB, {files} files; {dict(self.killed)}",
                      flush=True)
            if done >= self.options.jobs:
                return
        print("the time is up: the rest is done without trouble")

    def settle(self):
        """Without trouble, everything comes to its end."""
        end = time.monotonic() + 600
        while time.monotonic() < end:
            self.keep_running()
            self.submit()
            jobs = self.decide()
            done = sum(job["phase"].get("ending") == "done" for job in jobs)
            if done >= self.options.jobs:
                break
            time.sleep(0.2)
        self.teof("coordinator", "stop")
        try:
            self.coordinator.wait(60)
        except subprocess.TimeoutExpired:
            self.wrong("the coordinator does not stop")
            self.coordinator.kill()

    # What must hold.

    def check(self):
        jobs = self.jobs()
        last = {job["task"]: job for job in jobs}
        for n in range(self.submitted):
            job = last.get(f"job-{n}")
            if job is None or job["phase"].get("ending") != "done":
                self.wrong(f"job-{n} is lost or open: {job and job['phase']}")
        log = self.must("git", "log", "--first-parent", "--format=%(trailers:key=Teof-Job,valueonly,separator=%x20)", "main")
        merged = [line for line in log.splitlines() if line]
        twice = [job for job, count in collections.Counter(merged).items() if count > 1]
        if twice:
            self.wrong(f"merged twice: {twice}")
        if len(merged) != self.submitted:
            self.wrong(f"{len(merged)} jobs merged, {self.submitted} submitted")
        names = self.must("git", "ls-tree", "-r", "--name-only", "main").splitlines()
        for n in range(self.submitted):
            if f"jobs/job-{n}.txt" not in names:
                self.wrong(f"jobs/job-{n}.txt is not on main")
        for args in [("bus", "verify"), ("receipts", "verify"), ("bus", "commit"), ("doctor",)]:
            done = self.teof(*args)
            if done.returncode != 0:
                self.wrong(f"teof {' '.join(args)}: {done.stdout}{done.stderr}")
        dirty = self.must("git", "status", "--porcelain")
        if dirty:
            self.wrong(f"the tree is dirty:\n{dirty}")
        self.must("git", "fsck", "--no-dangling", "--no-progress")
        if "prunable" in self.must("git", "worktree", "list", "--porcelain"):
            self.wrong("a worktree is left half-made")
        locks = [path for path in (self.repo / ".git").rglob("*.lock") if ".git/teof" not in str(path)]
        if locks:
            self.wrong(f"locks are left: {locks}")
        left = list(self.processes())
        if left:
            self.wrong(f"processes are left: {left}")

    def figures(self, seconds):
        print(f"{self.submitted} jobs in {seconds:.0f} s, seed {self.options.seed}; coordinator started {self.starts} times")
        print(f"trouble: {dict(self.killed)}")
        print(f"exit codes of commands: {dict(sorted(self.said.items()))}")
        if self.samples:
            third = max(1, len(self.samples) // 3)
            for name, part in [("first", self.samples[:third]), ("last", self.samples[-third:])]:
                print(f"coordinator, {name} third: at most {max(s[1] for s in part)} KiB, {max(s[2] for s in part)} files")

    def clear(self):
        for pid, _ in self.processes():
            self.signal(pid, signal.SIGKILL)
        if self.options.keep or self.errors:
            print(f"kept: {self.place}")
            return
        if self.disk is not None:
            time.sleep(0.5)
            subprocess.run(["umount", self.disk], check=False)
        shutil.rmtree(self.place, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--teof", default="teof")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--keep", action="store_true")
    soak = Soak(parser.parse_args())
    start = time.monotonic()
    try:
        soak.prepare()
        soak.live()
        soak.settle()
        soak.check()
        soak.figures(time.monotonic() - start)
    finally:
        soak.clear()
    sys.exit(1 if soak.errors else 0)


main()
