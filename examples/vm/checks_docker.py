"""A real Docker engine: jobs in containers."""

import os

from checks_service import must

# Another one for each run of the checks: several may use one engine.
IMAGE = f"teof-checks:{os.getpid()}"
SETTINGS = """[worker.docker]
engine = "%s"
image = "none:1"
mounts = ["%s/agent"]
network = "none"
memory = "150m"
pids = 40
"""
# Programs of the machine's busybox make an image; no registry is asked. Its list names busybox itself too.
MAKE_IMAGE = f"""set -o pipefail; tree=$(mktemp -d) && mkdir -p $tree/bin $tree/tmp && chmod 755 $tree && chmod 1777 $tree/tmp &&
cp "$(readlink -f "${{BUSYBOX:-$(command -v busybox)}}")" $tree/bin/busybox &&
for name in $($tree/bin/busybox --list); do [ $name = busybox ] || ln -sf busybox $tree/bin/$name; done &&
tar -C $tree -c . | $client import - {IMAGE} && rm -r $tree &&
$client run --rm --network=none --entrypoint=true {IMAGE} || {{ echo "is this busybox static?" >&2; exit 1; }}"""
WAIT = "while [ ! -e $here/go ]; do sleep 0.2; done\n"


def containers(project):
    return project.machine.run(f"{project.machine.client} ps --all --filter label=teof.hub={project.folder} --format '{{{{.Names}}}} {{{{.Status}}}}'").strip()


def asked(project, format):
    """What the engine says of itself; nothing where it has no such field, as podman."""
    return project.machine.run(f"{project.machine.client} info --format '{format}' 2>/dev/null || true").strip()


def gone(project):
    project.machine.until("no container is left", lambda: not containers(project))


def uses_containers(project):
    """Makes the image and sets the executor, with an image that is not there."""
    project.machine.run(f"client={project.machine.client}; {MAKE_IMAGE}", limit=900)
    project.sh(r"sed -i 's/^\[worker\]/[worker]\nexecutor = \"docker\"/; s/^stages = .*/stages = [\"planner\", \"coder\", \"tester\", \"reviewer\"]/' teof.toml")
    project.set(SETTINGS % (project.machine.client, project.machine.home))
    project.systemctl("restart")


def starts(project):
    """the engine starts, and an image is made of busybox"""
    project.machine.engine_is("start")
    uses_containers(project)


def missing_image(project):
    """without the image nothing is claimed, and doctor says what to do"""
    said = project.sh("teof doctor", code=None)
    must("docker.image_missing" in said, said)
    project.agent_does("rm -f /nowhere\n")
    project.submit("contained")
    project.machine.until("it waits", lambda: project.job("contained") is None and "no image none:1" in project.log())
    must(project.sh("ls _bus/claims", code=None).strip() in ("", ".gitkeep"), project.sh("ls _bus/claims"))
    return [line for line in said.splitlines() if "docker" in line]


def has_image(project):
    project.sh(f"sed -i 's/none:1/{IMAGE}/' teof.toml && git commit -qam Image && teof consent grant --continuous", code=None)


def whole_job(project):
    """a job from its plan to its review, without network, its files owned by the user"""
    project.agent_does("{ id -u; ls /sys/class/net; touch $here/x && echo writable; } > jobs/seen.txt 2>/dev/null\n" + "true\n")
    has_image(project)
    if not project.sh("ls _plans/*-contained.plan.json", code=None).endswith("-contained.plan.json\n"):
        project.submit("contained")
    project.until_phase("contained", "review", 90)
    user = project.machine.user
    seen = project.sh("cat ../*.worktrees/*/jobs/seen.txt").split()
    # Root is the user's own account there.
    own = "0" if "rootless" in asked(project, "{{.SecurityOptions}}") else project.machine.run(f"id -u {user}").strip()
    must(seen == [own, "lo"], str(seen))
    owners = project.sh(f"find .. -path '*worktrees*' ! -user {user} 2>/dev/null; find .git ! -user {user}").strip()
    must(not owners, f"not owned by the user: {owners}")
    gone(project)
    limits = project.sh("grep -rhA4 '\"limits\"' _report | grep '\"by\"' | sort | uniq -c", code=None)
    return f"user and network: {seen}; {project.sh('teof doctor', code=None).strip().splitlines()[-1]} {' '.join(limits.split())}"


def memory(project):
    """a container over its memory is killed, said so, and tried again"""
    limits = asked(project, "{{.MemoryLimit}}") or asked(project, "{{.Host.CgroupControllers}}")
    if limits == "false" or limits.startswith("[") and "memory" not in limits:
        return "skipped: this engine limits no memory"
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
    project.crash()
    must(containers(project).split()[0] == before.split()[0], f"{before}; then {containers(project)}")
    project.machine.run("touch ~/agent/go")
    project.until_phase("kept", "review")
    gone(project)
    return before.split()[0]


def removed(project):
    """kill -9 of the worker: its container is removed and the job is done again"""
    project.machine.run("rm -f ~/agent/go")
    project.agent_does(WAIT)
    project.submit("orphan")
    project.begins("orphan")
    before = containers(project).split()[0]
    project.machine.run(f"kill -KILL $(pgrep -u {project.machine.user} -f '^[^ ]*teof --root {project.folder} foreman run ')")
    project.machine.until("the container is removed", lambda: before not in containers(project))
    project.machine.run("touch ~/agent/go")
    project.until_phase("orphan", "review", 90)
    gone(project)


def stubborn(project):
    """a container that ignores SIGTERM is removed when its job is cancelled"""
    project.agent_does("trap '' TERM\nwhile :; do sleep 0.2; done\n")
    project.submit("stubborn")
    project.begins("stubborn")
    project.sh("teof coordinator cancel stubborn --now", code=None)
    gone(project)
    project.until_phase("stubborn", "cancelled")


def engine_stops(project):
    """the engine is stopped in the middle: the job goes on when it is back"""
    project.machine.run("rm -f ~/agent/go")
    project.agent_does(WAIT)
    project.submit("stopped-engine")
    project.begins("stopped-engine")
    project.machine.engine_is("stop")
    project.machine.until("it is said", lambda: "finds no engine" in project.sh("teof doctor", code=None))
    project.machine.run("touch ~/agent/go")
    project.machine.engine_is("start")
    project.until_phase("stopped-engine", "review", 90)
    gone(project)
    return project.sh("teof coordinator explain stopped-engine | tail -5", code=None).strip()


def ends(project):
    project.systemctl("stop")
    project.sh(r"sed -i 's/^executor = .*/executor = \"process\"/; s/^stages = .*/stages = [\"coder\"]/' teof.toml && git commit -qam Process && teof consent grant --continuous")
    project.machine.engine_is("stop")
    project.systemctl("start")


ends.__doc__ = "back to processes"
CHECKS = [starts, missing_image, whole_job, memory, adopted, removed, stubborn, engine_stops, ends]
