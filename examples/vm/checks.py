#!/usr/bin/env python3
"""Runs the checks against a machine and prints one line for each. See run.sh."""

import argparse
import importlib
import sys
import time

from machine import Failed, Machine
from project import Project


def run_check(group, check, project):
    """Runs one check and prints what it saw. Whether it holds."""
    start = time.monotonic()
    try:
        word, said = "ok  ", check(project)
    except Failed as why:
        word, said = "FAIL", why
    print(f"{word} {group}.{check.__name__}: {check.__doc__} ({time.monotonic() - start:.0f} s)\n     {said}", flush=True)
    return word == "ok  "


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work")
    parser.add_argument("--kind", default="kvm", choices=["kvm", "tcg", "uml"])
    parser.add_argument("--only", default="service,limits,docker,terminals,trouble,power")
    parser.add_argument("--running", action="store_true", help="the machine runs already")
    parser.add_argument("--resume", action="store_true", help="start from the disk as it was left")
    parser.add_argument("--project", default="project", help="the name of the project, made if it is missing")
    options = parser.parse_args()
    machine = Machine(options.work, options.kind)
    project = Project(machine, options.project)
    failed = 0
    if not options.running:
        if not options.resume:
            machine.fresh_disk()
        machine.start()
    if machine.ssh(f"test -d {project.folder}").returncode != 0:
        project.make()
    for group in options.only.split(","):
        module = importlib.import_module("checks_" + group.split(".")[0])
        for check in module.CHECKS:
            if "." in group and check.__name__ != group.split(".")[1]:
                continue
            failed += not run_check(group.split(".")[0], check, project)
    if not options.running and machine.process:
        machine.cut()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
