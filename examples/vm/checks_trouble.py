"""A full disk, and a clock that is set back."""

import json

from checks_service import must


def disk_full(project):
    """the disk fills up during a job: no job starts, what was acknowledged stays, and it goes on when there is room"""
    project.agent_does("sleep 5\n")
    project.submit("full")
    project.begins("full")
    project.machine.run("dd if=/dev/zero of=/home/dev/filler bs=1M 2>/dev/null", user="root", code=None)
    project.machine.until("health says so", lambda: '"check": "disk",\n      "state": "wrong"' in project.sh("teof service health --json", code=None) or
                          any(one["check"] == "disk" and one["state"] == "wrong" for one in json.loads(project.sh("teof service health --json", code=None))["checks"]))
    said = [one["message"] for one in json.loads(project.sh("teof service health --json", code=None))["checks"] if one["check"] == "disk"][0]
    refused = project.sh("teof coordinator submit --name later --objective 'Write later' --test true", code=None)
    project.machine.run("sleep 10; rm /home/dev/filler", user="root")
    project.until_phase("full", "review", 120)
    project.whole()
    return f"{said}; submit: {refused.strip().splitlines()[0]}"


def clock_back(project):
    """the clock is set back by two hours during a job: it is noticed, and the job is done once"""
    project.machine.run("rm -f ~/agent/calls")
    project.agent_does("echo $TEOF_TASK >> ~/agent/calls\nsleep 8\n")
    project.submit("clock")
    project.begins("clock")
    project.machine.run("date -s \"$(date -d '2 hours ago')\"", user="root")
    try:
        project.until_phase("clock", "review", 90)
        project.submit("clock-2")
        project.until_phase("clock-2", "review", 90)
        health = json.loads(project.sh("teof service health --json", code=None))
        said = [one["message"] for one in health["checks"] if one["check"] == "clock"][0]
        must("set back by 2h" in said or "set back by 1h 59m" in said, said)
        must(project.machine.run("cat ~/agent/calls").split() == ["clock", "clock-2"], "the agent was called again")
    finally:
        project.machine.run("date -s \"$(date -d '+2 hours')\"", user="root")
    project.whole()
    return said


CHECKS = [disk_full, clock_back]
