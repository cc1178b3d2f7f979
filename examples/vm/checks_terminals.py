"""Windows of tmux under the service, and Landlock."""

from checks_service import calls, must

WAIT = "while [ ! -e ~/agent/go ]; do sleep 0.2; done\n"


def window(project):
    """executor = "tmux" under the service: a window that a person can join"""
    project.sh(r"grep -q '^executor' teof.toml && sed -i 's/^executor = .*/executor = \"tmux\"/' teof.toml || sed -i 's/^\[worker\]/[worker]\nexecutor = \"tmux\"/' teof.toml")
    project.sh("git commit -qam Terminals; teof consent grant --continuous")
    project.systemctl("restart")
    project.machine.run("rm -f ~/agent/go ~/agent/calls")
    project.agent_does("echo $TEOF_TASK >> ~/agent/calls\n" + WAIT)
    project.submit("window")
    project.begins("window")
    # `script` gives the person a terminal; Ctrl-b d detaches.
    project.sh("(sleep 6; printf '\\002d'; sleep 2) | TERM=xterm timeout 60 script -qec 'teof session attach window' /dev/null > ~/seen", code=None)
    seen = project.machine.run("grep -c 'detach' ~/seen", code=None).strip()
    windows = project.sh("tmux -S .git/teof/tmux/runs list-windows -F '#{window_name}'").strip()
    must(seen != "0" and windows.startswith("window-coder"), f"{seen} {windows}")
    return windows


def outlives(project):
    """kill -9 of the coordinator: the window stays, its worker is adopted, and the server ends with the last window"""
    project.machine.run(f"kill -KILL {project.pid()}")
    project.machine.until("it is restarted", lambda: project.property("SubState") == "running" and project.pid())
    project.sh("tmux -S .git/teof/tmux/runs list-windows")
    project.machine.run("touch ~/agent/go")
    project.until_phase("window", "review")
    must(calls(project, "window") == 1, "the agent was called again")
    project.machine.until("the server ends", lambda: project.machine.ssh(f"tmux -S {project.folder}/.git/teof/tmux/runs ls").returncode != 0)


def stopped(project):
    """systemctl stop lets the program in its window finish"""
    project.agent_does("echo $TEOF_TASK >> ~/agent/calls\nsleep 12\n")
    project.submit("window-stop")
    project.begins("window-stop")
    project.systemctl("stop")
    project.systemctl("start")
    project.until_phase("window-stop", "review")
    must(calls(project, "window-stop") == 1, "the agent was called again")
    project.sh(r"sed -i 's/^executor = .*/executor = \"process\"/' teof.toml && git commit -qam Process && teof consent grant --continuous")


def landlock(project):
    """Landlock confines what an unprivileged user's worker writes, where the kernel has it"""
    lsm = project.machine.run("cat /sys/kernel/security/lsm", user="root", code=None)
    said = project.sh("teof doctor", code=None)
    if "landlock" not in lsm:
        must("no Landlock" in said, said)
        return "this kernel has none, and doctor says so"
    must("no Landlock" not in said, said)
    project.agent_does("for place in ~ /tmp ~/project ~/project/.git/hooks ~/project/.git/teof; do touch $place/escaped 2>/dev/null && echo $place; done > jobs/seen.txt; touch $TMPDIR/own || echo no TMPDIR >> jobs/seen.txt\n")
    project.submit("confined")
    project.until_phase("confined", "review")
    seen = project.sh("cat ../*.worktrees/*/jobs/seen.txt").strip()
    must(not seen, f"written: {seen}")
    return lsm.strip()


CHECKS = [window, outlives, stopped, landlock]
