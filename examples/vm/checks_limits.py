"""[worker.limits], enforced by the cgroup that systemd delegates."""

from checks_service import must

LIMITS = '[worker.limits]\nmemory = "150m"\ncpus = "0.2"\npids = 30\n'
# Each breaks its limit in its first call only.
AGENT = r"""
first() { [ ! -e ~/agent/$1 ] && touch ~/agent/$1; }
case $TEOF_TASK in
  memory) first memory && python3 -c 'x = b"x" * (400 << 20)' ;;
  pids) first pids && python3 -c 'import threading, time
for _ in range(60): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()' ;;
  cpus) python3 -c 'import os, time
wall, cpu = time.monotonic(), time.process_time()
while time.monotonic() < wall + 8: pass
print(time.process_time() - cpu)' > ~/agent/used; cat /proc/self/cgroup > ~/agent/group ;;
esac
"""

def enforced(project):
    """doctor says that the kernel enforces the limits"""
    project.set(LIMITS)
    project.systemctl("restart")
    project.agent_does(AGENT)
    said = project.sh("teof doctor", code=None)
    must("memory 150m (cgroup), cpus 0.2 (cgroup), pids 30 (cgroup)" in said, said)
    return next(line for line in said.splitlines() if "limited to" in line)


def killed(task):
    def check(project):
        project.submit(task)
        project.until_phase(task, "review", 90)
        said = project.sh("grep -rhoE '(out of memory|more processes and threads)[^\"]{0,60}' _report .git/teof | sort | uniq -c", code=None)
        must(f"worker.limits.{task}" in said, said)
        return said.strip()
    check.__name__ = task
    check.__doc__ = f"a program over its {task} is stopped, said so, and tried again"
    return check


def cpus(project):
    """a busy program gets the processors that it is allowed"""
    project.submit("cpus")
    project.until_phase("cpus", "review", 90)
    used = float(project.machine.run("cat ~/agent/used"))
    must(used < 8 * 0.2 + 1, f"used {used} s of 8")
    by = project.sh("grep -rhA20 '\"limits\"' _report | grep '\"by\"' | sort | uniq -c", code=None)
    must("cgroup" in by, by)
    group = project.machine.run("cat ~/agent/group").strip()
    return f"{used:.1f} s of 8 with cpus = 0.2; {group}; envelopes: {' '.join(by.split())}"


def removed(project):
    """the cgroups of runs are removed"""
    base = project.machine.run(f"cat /proc/{project.pid()}/cgroup").strip().removeprefix("0::").rsplit("/", 1)[0]
    left = project.machine.run(f"ls -d /sys/fs/cgroup{base}/*/").split()
    names = [path.rstrip("/").rsplit("/", 1)[1] for path in left]
    must(names == ["coordinator"], str(names))
    return f"{base}: {names}"


def scope(project):
    """systemd-run --scope -p Delegate=yes teof run enforces them too"""
    project.systemctl("stop")
    project.machine.run("rm -f ~/agent/memory")
    project.submit("memory-2")
    project.agent_does(AGENT.replace("memory)", "memory-2)"))
    project.sh("timeout 900 systemd-run --user --scope -p Delegate=yes teof run --until-idle", code=None, limit=1000)
    said = project.sh("grep -rhoE 'out of memory[^\"]*' _report .git/teof | sort | uniq -c", code=None)
    must(project.phase("memory-2") == "review" and "out of memory" in said, f"{said} {project.job('memory-2')}")
    project.systemctl("start")
    return said.strip()


CHECKS = [enforced, killed("memory"), killed("pids"), cpus, removed, scope]
