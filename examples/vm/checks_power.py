"""Power cuts at random moments, and a reboot: nothing that was acknowledged is lost, every job is done once."""

import collections
import random
import threading
import time

from checks_service import must
from machine import Failed

CUTS = 10
JOBS = 24


class Person(threading.Thread):
    """Submits and approves until it is told to stop, and remembers what teof said was done."""

    def __init__(self, project, acknowledged):
        super().__init__(daemon=True)
        self.project, self.acknowledged = project, acknowledged
        self.is_over = threading.Event()

    def run(self):
        while not self.is_over.is_set():
            try:
                self.act()
            except Failed:
                self.is_over.wait(1)

    def act(self):
        number = len(self.acknowledged["submitted"])
        if number < JOBS:
            name = f"power-{number}"
            done = self.project.machine.ssh(f"cd {self.project.folder} && teof coordinator submit --name {name} --objective 'Write {name}' "
                                            f"--test 'grep -q \"done by one call\" jobs/{name}.txt'")
            # A submission that the cut interrupted may have been made.
            if done.returncode == 0 or "already" in done.stderr:
                self.acknowledged["submitted"].add(name)
        for job in self.project.jobs():
            if job["phase"].get("is") == "review" and not job.get("decision") and job["id"] not in self.acknowledged["approved"]:
                if self.project.machine.ssh(f"cd {self.project.folder} && teof review approve {job['id']} --by Ann").returncode == 0:
                    self.acknowledged["approved"].add(job["id"])


def comes_back(project, acknowledged):
    """What must hold after each start, without anybody's help."""
    project.machine.until("the service runs", lambda: project.machine.ssh(f"systemctl --user is-active {project.service}").stdout.strip() == "active")
    project.whole()
    jobs = project.jobs()
    tasks = {job["task"] for job in jobs} | {one if isinstance(one, str) else one["task"] for one in
                                             project.machine.json(f"cd {project.folder} && teof coordinator status --json")["submissions"]}
    plans = project.sh("ls _plans")
    lost = [name for name in acknowledged["submitted"] if name not in tasks and f"-{name}.plan.json" not in plans]
    must(not lost, f"lost: {lost}")
    for job in jobs:
        if job["id"] in acknowledged["approved"]:
            must(job.get("decision") or job["phase"].get("ending") == "done", f"the approval of {job['id']} is lost: {job}")


def cuts(project):
    """ten power cuts during a run of jobs"""
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    project.install()
    project.agent_does("sleep 1\n")
    # Git does not sync a new repository; what was there before is not what is tried.
    project.machine.run("sync")
    acknowledged = collections.defaultdict(set)
    seen = []
    for number in range(CUTS):
        person = Person(project, acknowledged)
        person.start()
        time.sleep(dice.uniform(2, 12 * project.machine.patience ** 0.7))
        project.machine.cut()
        person.is_over.set()
        person.join()
        start = time.monotonic()
        project.machine.start()
        try:
            comes_back(project, acknowledged)
        except Failed as why:
            raise Failed(f"cut {number + 1}, seed {seed}: {why}") from None
        seen.append(f"{len(acknowledged['submitted'])}/{len(acknowledged['approved'])}")
        print(f"     cut {number + 1}: back and whole after {time.monotonic() - start:.0f} s; submitted/approved {seen[-1]}", flush=True)
    settle(project, acknowledged)
    return f"seed {seed}; submitted/approved at each cut: {' '.join(seen)}"


def settle(project, acknowledged):
    """Everything comes to its end, once, and nothing is left."""
    person = Person(project, acknowledged)
    person.start()
    names = {f"power-{number}" for number in range(JOBS)}
    def all_done():
        done = {job["task"] for job in project.jobs() if job["phase"].get("ending") == "done"}
        return len([task for task in done if task.startswith("power-")]) >= JOBS or names <= done
    try:
        project.machine.until("every job is done", all_done, 240)
    finally:
        person.is_over.set()
        person.join()
    log = project.sh("git log --first-parent --format='%(trailers:key=Teof-Job,valueonly,separator=%x20)' main").split()
    twice = [job for job, count in collections.Counter(log).items() if count > 1]
    must(not twice, f"merged twice: {twice}")
    missing = [name for name in names if name not in project.sh("git ls-tree -r --name-only main -- jobs")]
    must(not missing, f"not on main: {missing}")
    project.whole()
    project.sh("teof bus commit && teof doctor")
    must(not project.sh("git status --porcelain"), "the tree is dirty: " + project.sh("git status --porcelain"))
    locks = project.sh("find .git -name '*.lock' -not -path '*/teof/*'").strip()
    must(not locks, f"locks are left: {locks}")


def reboot(project):
    """a reboot in the middle of a job: the service starts by itself and the job is done"""
    project.agent_does("sleep 10\n")
    project.submit("rebooted")
    project.begins("rebooted")
    project.machine.ssh("systemctl poweroff", user="root")
    project.machine.process.wait()
    project.machine.cut()
    project.machine.start()
    comes_back(project, {"submitted": {"rebooted"}, "approved": set()})
    project.until_phase("rebooted", "review", 120)


CHECKS = [cuts, reboot]
