"""The project in the machine: its service, its jobs, its agent."""

from machine import Failed


class Project:
    def __init__(self, machine, name="project"):
        self.machine = machine
        self.name = name
        self.service = f"teof-{name}"
        self.folder = f"/home/dev/{name}"

    def sh(self, command, **more):
        return self.machine.run(f"cd {self.folder} && {command}", **more)

    def make(self):
        self.machine.run(f"sh /usr/local/share/vm/project.sh {self.folder}")

    def agent_does(self, script):
        """What each call of the agent does before it writes its file."""
        self.machine.run("cat > ~/agent/new && mv ~/agent/new ~/agent/do.sh", stdin=script)

    def set(self, settings):
        """Appends settings, and allows them."""
        if settings in self.sh("cat teof.toml"):
            return
        self.sh("cat >> teof.toml && git commit -qam Settings && teof consent grant --continuous", stdin=settings)

    def systemctl(self, words, **more):
        return self.machine.run(f"systemctl --user {words} {self.service}", **more)

    def install(self):
        self.sh("teof service install --user && systemctl --user daemon-reload")
        self.systemctl("enable --now")

    def property(self, name):
        return self.systemctl(f"show --value -p {name}").strip()

    def pid(self):
        return int(self.property("MainPID"))

    def crash(self):
        """Kills the coordinator, and waits until another runs."""
        old = self.pid()
        self.machine.run(f"kill -KILL {old}")
        self.machine.until("it is restarted", lambda: self.property("SubState") == "running" and self.pid() not in (0, old))

    def log(self):
        """What the coordinator printed last."""
        return self.machine.run(f"journalctl --user -u {self.service} -n 40 -o cat")

    def submit(self, name):
        self.sh(f"teof coordinator submit --name {name} --objective 'Write the file of {name}' "
                f"--test 'grep -q \"done by one call\" jobs/{name}.txt'")

    def jobs(self):
        status = self.machine.json(f"cd {self.folder} && teof coordinator status --limit 1000 --json")
        return status["jobs"] + status["finished"]

    def job(self, name):
        return next((job for job in self.jobs() if job["task"] == name), None)

    def phase(self, name):
        job = self.job(name) or {"phase": {}}
        return job["phase"].get("ending") or job["phase"].get("is")

    def until_phase(self, name, phase, limit=60):
        def reached():
            now = self.phase(name)
            if now != phase and now in ("blocked", "cancelled", "done"):
                raise Failed(f"{name} is {now}, not {phase}: {self.job(name)['phase']}")
            return now == phase
        self.machine.until(f"{name} is {phase}", reached, limit)

    def begins(self, name):
        """Waits until the agent works on it."""
        find = f"cat {self.folder}.worktrees/*/jobs/{name}.txt"
        self.machine.until(f"the agent works on {name}", lambda: self.machine.ssh(find).returncode == 0)

    def whole(self):
        """The record and the repository are in order."""
        self.sh("teof bus verify && teof receipts verify && git fsck --no-dangling --no-progress")
