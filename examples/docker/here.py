"""This machine in place of the virtual one, and a coordinator that the checks start in place of the service."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

import checks_docker
from machine import Failed, Machine
from project import Project

VM = pathlib.Path(__file__).resolve().parent.parent / "vm"
# The work folder is made anew only when it is one of ours.
MADE = ".made-by-examples-docker"


class Here(Machine):
    def __init__(self, work, teof, client, stop_engine, start_engine):
        self.work = pathlib.Path(work).resolve()
        self.teof = pathlib.Path(teof).resolve()
        self.client = client
        self.patience = int(os.environ.get("PATIENCE", "1"))
        self.home = str(self.work / "home")
        self.user = subprocess.check_output(["id", "-un"], text=True).strip()
        self.engine = {"stop": stop_engine, "start": start_engine}
        keep = {name: value for name, value in os.environ.items()
                if not name.startswith(("TEOF_", "GIT_", "XDG_STATE", "XDG_CONFIG"))}
        self.env = {**keep, "HOME": self.home, "PATH": f"{self.work}/bin:{keep['PATH']}"}
        # The engine that the user's own client finds.
        for name, path in [("DOCKER_CONFIG", "~/.docker"), ("CONTAINERS_CONF", "~/.config/containers/containers.conf")]:
            if os.path.exists(os.path.expanduser(path)):
                self.env.setdefault(name, os.path.expanduser(path))

    def fresh(self):
        if self.work.exists():
            if not (self.work / MADE).exists():
                raise SystemExit(f"error: {self.work} is not a folder of these checks: remove it, or name another with --work")
            self.remove()
        (self.work / "home").mkdir(parents=True)
        (self.work / MADE).touch()
        (self.work / "bin").mkdir()
        (self.work / "bin/teof").symlink_to(self.teof)

    def remove(self):
        # Rootless podman keeps its images in there, with files of other accounts.
        if self.client == "podman":
            subprocess.run(["podman", "unshare", "rm", "-rf", self.home], env=self.env)
        shutil.rmtree(self.work)

    def ssh(self, command, user=None, limit=600, stdin=""):
        try:
            return subprocess.run(["bash", "-c", command], capture_output=True, text=True, input=stdin, timeout=limit, env=self.env,
                                  cwd=self.work)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 255, "", f"no answer within {limit} s")

    def run(self, command, user=None, code=0, **more):
        return super().run(command, user, code, **more)

    def engine_is(self, word):
        done = subprocess.run(["bash", "-c", self.engine[word]], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failed(f"{self.engine[word]}: exit code {done.returncode}: {done.stderr}")

    def clean(self, project):
        """Removes what the checks made in the engine."""
        left = " ".join(line.split()[0] for line in checks_docker.containers(project).splitlines())
        self.run(f"[ -z '{left}' ] || {self.client} rm --force {left}; {self.client} image rm --force {checks_docker.IMAGE}", code=None)


class OwnProject(Project):
    """Its coordinator is a child of this process."""

    def __init__(self, machine):
        super().__init__(machine)
        self.folder = f"{machine.work}/project"
        self.journal = machine.work / "coordinator.log"
        self.process = None

    def make(self):
        self.machine.run(f"sh {VM}/project.sh {self.folder} {VM}/agent.sh")

    def systemctl(self, words, **more):
        if words in ("stop", "restart") and self.process:
            # The first lets workers finish their stage; the second stops them.
            for patience in (20, 20):
                self.process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(patience)
                    break
            else:
                self.process.kill()
            self.process = None
        if words in ("start", "restart"):
            with open(self.journal, "ab") as log:
                before = log.tell()
                self.process = subprocess.Popen(["teof", "coordinator", "run"], cwd=self.folder, env=self.machine.env, stdin=subprocess.DEVNULL,
                                                stdout=log, stderr=log, start_new_session=True)
            self.machine.until("the coordinator runs", lambda: b"coordinating " in self.journal.read_bytes()[before:])

    def pid(self):
        return self.process.pid

    def crash(self):
        self.process.kill()
        self.process.wait()
        self.systemctl("start")

    def log(self):
        return self.journal.read_text()
