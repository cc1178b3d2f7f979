"""A real Docker engine: jobs in containers."""

from checks_service import must

SETTINGS = """[worker.docker]
image = "%s"
mounts = ["/home/dev/agent"]
network = "none"
memory = "150m"
pids = 40
"""
# Programs of the machine's busybox make an image; no registry is asked.
IMAGE = """systemctl start docker
mkdir -p /tmp/image/bin /tmp/image/tmp && chmod 1777 /tmp/image/tmp && cp /usr/bin/busybox /tmp/image/bin/
for name in $(/tmp/image/bin/busybox --list); do ln -sf busybox /tmp/image/bin/$name; done
tar -C /tmp/image -c . | docker import - agent:1"""
WAIT = "while [ ! -e $here/go ]; do sleep 0.2; done\n"


def containers(project):
    return project.machine.run("docker ps --all --filter label=teof.hub --format '{{.Names}} {{.Status}}'").strip()


def runs(project):
    project.machine.until("a container runs", lambda: "Up" in containers(project))


def gone(project):
    project.machine.until("no container is left", lambda: not containers(project))


def missing_image(project):
    """without the image nothing is claimed, and doctor says what to do"""
    project.machine.run(IMAGE, user="root", limit=900)
    project.sh(r"sed -i 's/^\[worker\]/[worker]\nexecutor = \"docker\"/; s/^stages = .*/stages = [\"planner\", \"coder\", \"tester\", \"reviewer\"]/' teof.toml")
    project.set(SETTINGS % "none:1")
    project.systemctl("restart")
    said = project.sh("teof doctor", code=None)
    must("docker.image_missing" in said, said)
    project.agent_does("rm -f /nowhere\n")
    project.submit("contained")
    project.machine.until("it waits", lambda: project.job("contained") is None and
                          "no image none:1" in project.machine.run(f"journalctl --user -u {project.service} -n 30 -o cat"))
    return [line for line in said.splitlines() if "docker" in line]


def whole_job(project):
    """a job from its plan to its review, without network, its files owned by the user"""
    project.agent_does("{ id -u; ls /sys/class/net; touch $here/x && echo writable; } > jobs/seen.txt 2>/dev/null\n" + "true\n")
    project.sh("sed -i 's/none:1/agent:1/' teof.toml && git commit -qam Image && teof consent grant --continuous")
    project.until_phase("contained", "review", 90)
    seen = project.sh("cat ../*.worktrees/*/jobs/seen.txt").split()
    must(seen == ["1000", "lo"], str(seen))
    owners = project.sh("find .. -path '*worktrees*' ! -user dev 2>/dev/null; find .git ! -user dev").strip()
    must(not owners, f"not owned by the user: {owners}")
    gone(project)
    limits = project.sh("grep -rhA4 '\"limits\"' _report | grep '\"by\"' | sort | uniq -c", code=None)
    return f"user and network: {seen}; {project.sh('teof doctor', code=None).strip().splitlines()[-1]} {' '.join(limits.split())}"


def memory(project):
    """a container over its memory is killed, said so, and tried again"""
    project.agent_does("[ -e jobs/tried ] || { touch jobs/tried; x=$(head -c 300000000 /dev/zero | tr '\\0' x); }\nrm -f jobs/tried\n")
    project.submit("oom")
    project.machine.until("it is said", lambda: "out of memory" in project.sh("grep -rhoE 'out of memory[^\"]*' _report .git/teof", code=None))
    project.agent_does("true\n")
    project.until_phase("oom", "review", 90)
    return project.sh("grep -rhoE 'out of memory[^\"]*' _report .git/teof | sort | uniq -c", code=None).strip()


def adopted(project):
    """kill -9 of the coordinator: the container goes on and its worker is adopted"""
    project.machine.run("rm -f ~/agent/go")
    project.agent_does(WAIT)
    project.submit("kept")
    project.begins("kept")
    before = containers(project)
    project.machine.run(f"kill -KILL {project.pid()}")
    project.machine.until("it is restarted", lambda: project.property("SubState") == "running" and project.pid())
    must(containers(project).split()[0] == before.split()[0], f"{before}; then {containers(project)}")
    project.machine.run("touch ~/agent/go")
    project.until_phase("kept", "review")
    gone(project)
    return before.split()[0]


def removed(project):
    """kill -9 of the worker: its container is removed and the job is done again"""
    project.machine.run("rm -f ~/agent/go")
    project.submit("orphan")
    project.begins("orphan")
    before = containers(project).split()[0]
    project.machine.run("kill -KILL $(pgrep -f 'teof.* foreman run')")
    project.machine.until("the container is removed", lambda: before not in containers(project))
    project.machine.run("touch ~/agent/go")
    project.until_phase("orphan", "review", 90)
    gone(project)


def stubborn(project):
    """a container that ignores SIGTERM is removed when its job is cancelled"""
    project.agent_does("trap '' TERM\nwhile :; do sleep 0.2; done\n")
    project.submit("stubborn")
    project.begins("stubborn")
    project.sh("teof coordinator cancel stubborn", code=None)
    gone(project)
    project.until_phase("stubborn", "cancelled")


def engine_stops(project):
    """the engine is stopped in the middle: the job goes on when it is back"""
    project.machine.run("rm -f ~/agent/go")
    project.agent_does(WAIT)
    project.submit("stopped-engine")
    project.begins("stopped-engine")
    project.machine.run("systemctl stop docker.socket docker", user="root")
    project.machine.until("it is said", lambda: "finds no engine" in project.sh("teof doctor", code=None))
    project.machine.run("touch ~/agent/go")
    project.machine.run("sleep 5; systemctl start docker", user="root")
    project.until_phase("stopped-engine", "review", 90)
    gone(project)
    return project.sh("teof explain stopped-engine | tail -5", code=None).strip()


def ends(project):
    project.systemctl("stop")
    project.sh(r"sed -i 's/^executor = .*/executor = \"process\"/; s/^stages = .*/stages = [\"coder\"]/' teof.toml && git commit -qam Process && teof consent grant --continuous")
    project.machine.run("systemctl stop docker.socket docker containerd", user="root", code=None)
    project.systemctl("start")


ends.__doc__ = "back to processes"
CHECKS = [missing_image, whole_job, memory, adopted, removed, stubborn, engine_stops, ends]
