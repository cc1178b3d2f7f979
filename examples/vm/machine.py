"""A machine that can lose its power: started from a disk image, spoken to over ssh, killed at any moment."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

ADDRESS = "10.0.2.15"
NAMESPACE = os.environ.get("NETNS", "teof-vm")


class Failed(Exception):
    """What a check saw in place of what it expects."""


class Machine:
    home, user, client = "/home/dev", "dev", "docker"

    def __init__(self, work, kind):
        self.work = pathlib.Path(work)
        self.kind = kind
        self.disk = self.work / "disk.img"
        self.process = None
        # Everything is slower where instructions or system calls are emulated.
        self.patience = 1 if kind == "kvm" else 8
        self.port = os.environ.get("PORT", "2222")

    def fresh_disk(self):
        subprocess.run(["cp", "--sparse=always", self.work / "base.img", self.disk], check=True)

    def start(self):
        """Starts it; one that does not come up, as an emulated one at times, loses its power once more."""
        for _ in range(3):
            command = self.uml() if self.kind == "uml" else self.qemu()
            log = open(self.work / "console.log", "ab")
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            env={**os.environ, "TMPDIR": str(self.work)})
            try:
                return self.until("the machine answers", lambda: self.ssh("true", user="root", limit=10).returncode == 0,
                                  {"kvm": 90, "uml": 60, "tcg": 120}[self.kind])
            except Failed as why:
                self.cut()
                last = why
        raise last

    def qemu(self):
        accel, cpu = ("kvm", "host") if self.kind == "kvm" else ("tcg,thread=multi", "max")
        return ["qemu-system-x86_64", "-accel", accel, "-cpu", cpu, "-smp", "2", "-m", "3072", "-nodefaults", "-display", "none",
                "-kernel", self.work / "vmlinuz", "-initrd", self.work / "initrd", "-append", "root=LABEL=root rw console=ttyS0",
                "-drive", f"file={self.disk},if=virtio,format=raw", "-device", "virtio-rng-pci",
                # No way out of the machine; one way in.
                "-netdev", f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22", "-device", "virtio-net-pci,netdev=n",
                "-serial", "stdio"]

    def uml(self):
        inside = ["ip", "netns", "exec", NAMESPACE]
        if subprocess.run([*inside, "ip", "link", "show", "tap0"], capture_output=True).returncode != 0:
            subprocess.run(["ip", "netns", "add", NAMESPACE], capture_output=True)
            for line in [f"ip netns exec {NAMESPACE} ip tuntap add tap0 mode tap",
                         f"ip -n {NAMESPACE} addr add 10.0.2.2/24 dev tap0", f"ip -n {NAMESPACE} link set tap0 up"]:
                subprocess.run(line.split(), check=True)
        return [*inside, "linux.uml", "mem=3072M", f"ubd0={self.disk}", "root=/dev/ubda", "rw", "con=null", "con0=null,fd:1",
                "vec0:transport=tap,ifname=tap0,depth=128,gro=1", f"uml_dir={self.work}/uml", "umid=vm"]

    def cut(self):
        """Takes the power away: what is not on the disk is lost."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        for user in ["root", "dev"]:
            subprocess.run(["ssh", "-q", "-O", "exit", "-o", f"ControlPath={self.work}/ssh-%r", f"{user}@{ADDRESS}"],
                           capture_output=True)
        if self.kind == "uml":
            subprocess.run(["rm", "-rf", self.work / "uml"], check=True)

    def ssh(self, command, user="dev", limit=600, stdin=""):
        at, way = (ADDRESS, ["ip", "netns", "exec", NAMESPACE]) if self.kind == "uml" else ("127.0.0.1", [])
        port = "22" if self.kind == "uml" else self.port
        line = [*way, "ssh", "-q", "-i", self.work / "key", "-p", port, "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=8", "-o", "ServerAliveInterval=10", "-o", "ControlMaster=auto",
                "-o", f"ControlPath={self.work}/ssh-%r", "-o", "ControlPersist=yes", f"{user}@{at}",
                f"export XDG_RUNTIME_DIR=/run/user/$(id -u); {command}"]
        try:
            return subprocess.run(line, capture_output=True, text=True, input=stdin, timeout=limit)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(line, 255, "", f"no answer within {limit} s")

    def run(self, command, user="dev", code=0, **more):
        """What a command printed; its exit code must be `code`, or any with None."""
        done = self.ssh(command, user, **more)
        if code is not None and done.returncode != code:
            raise Failed(f"{command}: exit code {done.returncode}: {done.stdout[-600:]}{done.stderr[-600:]}")
        return done.stdout + done.stderr

    def engine_is(self, word):
        """Starts or stops the engine of containers."""
        units = {"start": "docker", "stop": "docker.socket docker containerd"}[word]
        self.run(f"systemctl {word} {units}", user="root")

    def json(self, command):
        done = self.ssh(command)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise Failed(f"{command}: {done.stdout[-300:]}{done.stderr[-600:]}") from None

    def until(self, what, holds, limit=60):
        """Waits until something holds, and returns it."""
        end = time.monotonic() + limit * self.patience
        while time.monotonic() < end:
            found = holds()
            if found:
                return found
            time.sleep(0.5)
        raise Failed(f"not within {limit * self.patience} s: {what}")
