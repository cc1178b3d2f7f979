"""The service under the user's systemd: readiness, reload, watchdog, stop, crash, health."""

import json
import time

from machine import Failed

WAIT = "while [ ! -e ~/agent/go ]; do sleep 0.2; done\n"


def drop_in(project, lines):
    folder = f"~/.config/systemd/user/{project.service}.service.d"
    project.machine.run(f"mkdir -p {folder} && cat > {folder}/check.conf && systemctl --user daemon-reload",
                        stdin="[Unit]\n# Starts by hand count, too.\nStartLimitIntervalSec=0\n[Service]\n" + lines)


def must(holds, said):
    if not holds:
        raise Failed(said)


def starts(project):
    """install, verify, start: Type=notify readiness and a status text"""
    project.sh("teof service install --user")
    project.machine.run(f"systemd-analyze --user verify ~/.config/systemd/user/{project.service}.service")
    drop_in(project, "RestartSec=1s\n")
    project.systemctl("enable --now")
    must(project.property("StatusText") == "idle", project.property("StatusText"))
    must(project.property("Type") == "notify" and project.property("SubState") == "running", project.systemctl("status"))
    return f"status text {project.property('StatusText')!r}"


def health(project):
    """health: exit code 0 and JSON while it runs, 1 when it does not"""
    found = json.loads(project.sh("teof service health --json"))
    must(found["ok"] and found["supervised"] and found["pid"] == project.pid(), str(found))
    project.systemctl("stop")
    stopped = json.loads(project.sh("teof service health --json", code=1))
    must(not stopped["running"] and "systemctl --user" in stopped["checks"][0]["fix"], str(stopped))
    project.systemctl("start")
    return stopped["checks"][0]["fix"]


def reload(project):
    """SIGHUP: granted settings change, and it says what changed; others wait"""
    project.sh("sed -i 's/^concurrency = .*/concurrency = 3/' teof.toml")
    project.systemctl("reload")
    log = f"journalctl --user -u {project.service} -n 40 -o cat"
    project.machine.until("it says what changed", lambda: "coordinator.concurrency: 2 → 3" in project.machine.run(log))
    said = [line for line in project.machine.run(log).splitlines() if "concurrency" in line][-1]
    project.sh("printf '[worker.sandbox]\\nnetwork = \"none\"\\n' >> teof.toml")
    project.systemctl("reload")
    project.machine.until("what needs a grant waits", lambda: "teof consent grant" in project.machine.run(log))
    project.sh("head -n -2 teof.toml > new && mv new teof.toml && git commit -qam Settings && teof consent grant --continuous")
    project.systemctl("reload")
    return said


def watchdog(project):
    """a frozen loop is restarted within WatchdogSec, and its worker goes on"""
    drop_in(project, "RestartSec=1s\nWatchdogSec=20s\n")
    project.systemctl("restart")
    project.agent_does("echo $TEOF_TASK >> ~/agent/calls\n" + WAIT)
    project.submit("frozen")
    project.begins("frozen")
    old, start = project.pid(), time.monotonic()
    project.machine.run(f"kill -STOP {old}")
    project.machine.until("it is restarted", lambda: project.pid() not in (0, old) and project.property("SubState") == "running", 120)
    took = time.monotonic() - start
    project.machine.run("touch ~/agent/go")
    project.until_phase("frozen", "review")
    must(calls(project, "frozen") == 1, "the agent was called again")
    drop_in(project, "RestartSec=1s\n")
    return f"restarted after {took:.0f} s with WatchdogSec=20s; one call of the agent"


def calls(project, task):
    return project.machine.run("cat ~/agent/calls").split().count(task)


def crash(project):
    """kill -9 of the coordinator: its worker goes on and is adopted"""
    project.machine.run("rm -f ~/agent/go")
    project.submit("crashed")
    project.begins("crashed")
    old = project.pid()
    project.machine.run(f"kill -KILL {old}")
    project.machine.until("it is restarted", lambda: project.pid() not in (0, old) and project.property("SubState") == "running")
    project.machine.run("touch ~/agent/go")
    project.until_phase("crashed", "review")
    must(calls(project, "crashed") == 1, "the agent was called again")
    return "one call of the agent"


def stop(project):
    """SIGTERM: bounded, the stage is finished and not lost"""
    project.agent_does("echo $TEOF_TASK >> ~/agent/calls\nsleep 15\n")
    project.submit("stopped")
    project.begins("stopped")
    start = time.monotonic()
    project.systemctl("stop")
    took = time.monotonic() - start
    left = project.machine.run(f"cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c '[f]oreman run'", code=None).strip()
    must(left == "0", f"workers are left: {left}")
    project.systemctl("start")
    project.until_phase("stopped", "review")
    must(calls(project, "stopped") == 1, "the agent was called again")
    return f"stopped in {took:.0f} s; one call of the agent"


def system_unit(project):
    """a system unit for the account starts, does a job, is checked and stops"""
    project.systemctl("disable --now")
    machine = project.machine
    unit = f"/etc/systemd/system/{project.service}.service"
    machine.run(f"cat > {unit}", user="root", stdin=project.sh("teof service unit"))
    machine.run(f"systemd-analyze verify {unit} && systemctl daemon-reload && systemctl start {project.service}", user="root")
    project.submit("system")
    project.until_phase("system", "review")
    found = json.loads(project.sh("teof service health --json"))
    must(found["supervised"], str(found))
    machine.run(f"systemctl stop {project.service} && rm {unit} && systemctl daemon-reload", user="root")
    project.systemctl("enable --now")
    return "verified, supervised, one job to its review"


CHECKS = [starts, health, reload, watchdog, crash, stop, system_unit]
