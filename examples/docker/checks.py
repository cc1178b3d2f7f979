#!/usr/bin/env python3
"""Runs the checks of ../vm/checks_docker.py on this machine and prints one line for each. See run.sh."""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "vm"))

import checks_docker
from checks import run_check
from here import Here, OwnProject
from machine import Failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work")
    parser.add_argument("teof")
    parser.add_argument("--only", help="names of checks, separated by commas")
    parser.add_argument("--engine", default="docker", choices=["docker", "podman"])
    parser.add_argument("--stop-engine")
    parser.add_argument("--start-engine")
    options = parser.parse_args()
    only = options.only and options.only.split(",")
    machine = Here(options.work, options.teof, options.engine, options.stop_engine, options.start_engine)
    project = OwnProject(machine)
    checks = [check for check in checks_docker.CHECKS if check not in (checks_docker.starts, checks_docker.ends)]
    if not (options.stop_engine and options.start_engine):
        checks.remove(checks_docker.engine_stops)
    if only:
        checks = [check for check in checks if check.__name__ in only]
    try:
        machine.fresh()
        project.make()
        project.systemctl("start")
        checks_docker.uses_containers(project)
        passed = []
        for check in checks:
            if check is not checks_docker.missing_image:
                checks_docker.has_image(project)
            passed.append(run_check("docker", check, project))
    except Failed as why:
        sys.exit(f"error: {why}")
    finally:
        project.systemctl("stop")
        machine.clean(project)
    sys.exit(0 if all(passed) else 1)


main()
