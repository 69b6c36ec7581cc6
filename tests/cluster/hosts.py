"""Hosts of their own on one machine: each has its address, its processes, its /tmp, its home and its sshd.

A host is a process in network, process, mount and name namespaces without names, so two suites at once do
not meet, and nothing outlives them: the kernel clears everything away when the process that made them ends,
however it ends. The hosts hang on a switch (a bridge in one more namespace) by veth pairs.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = "iproute2, nftables, openssh-server, procps, rsync"  # Debian's, that have them
PROGRAMS = ("ip", "nft", "nsenter", "pkill", "rsync", "setpriv", "ss", "sshd", "ssh-keygen", "unshare")
SHARED = "/srv/dfa_tune"  # where every host has the same folder, as if from a file server
os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"  # where sshd, nft and ip may be
# The settings of whoever runs the suite stay out of it
ENVIRONMENT = {"LANG": "C.UTF-8", "TERM": "dumb", "PATH": os.environ["PATH"]}


def what_is_missing() -> str | None:
    """Why this machine cannot have such hosts; None if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "namespaces want root on Linux"
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"not installed: {', '.join(missing)} (Debian: {PACKAGES})"
    commands = "ip link add s0 type bridge && ip link add v0 type veth peer name v1 && mount -t tmpfs t /mnt"
    probe = ["unshare", "--net", "--pid", "--mount", "--uts", "--fork", "bash", "-c", commands]
    done = subprocess.run(probe, capture_output=True, text=True)
    return None if done.returncode == 0 else f"namespaces are not allowed here: {done.stderr.strip()}"


class Host:
    """One machine of the network; `address` is its only one beside loopback."""

    def __init__(self, name: str, address: str, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.name, self.address, self.folder, self.process = name, address, folder, process
        self.home = folder / "home"
        # unshare forks once: its child is the host's process 1
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        _wait(lambda: children.read_text().split(), f"{name} did not start")
        self.pid = int(children.read_text().split()[0])

    def command(self, command: str, environment: Mapping[str, str] | None = None) -> list[str]:
        """The command line that runs a shell command on this host."""
        variables = ENVIRONMENT | {"HOME": str(self.home)} | dict(environment or {})
        # Like a login here: nothing of the suite's own environment comes along
        return [
            *("nsenter", "--target", str(self.pid), "--mount", "--uts", "--net", "--pid"),
            *("env", "-i", *(f"{name}={value}" for name, value in variables.items())),
            *("bash", "-c", f"cd ~; {command}"),
        ]

    def run(
        self,
        command: str,
        environment: Mapping[str, str] | None = None,
        *,
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command here; its output is both streams. Fails the test with it where it fails."""
        done = subprocess.run(
            self.command(command, environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {command}\nexit code {done.returncode}\n{done.stdout}")
        return done

    def listening(self) -> dict[str, str]:
        """What listens for TCP here: "address:port", and which program."""
        lines = self.run("ss -Hltnp").stdout.splitlines()
        return {line.split()[3]: line.split('"')[1] if '"' in line else "?" for line in lines}


class Network:
    """The hosts and what joins them."""

    def __init__(self, folder: Path, subnet: str = "10.77.0.0/24") -> None:
        self.folder = folder
        self.subnet = ipaddress.ip_network(subnet)
        self.hosts: dict[str, Host] = {}
        self.switch = subprocess.Popen(_mortal("unshare", "--net", "sleep", "infinity"))
        _wait(lambda: self._differs(self.switch.pid, "net"), "the switch did not start")
        self._on_switch("ip link set lo up && ip link add s0 type bridge && ip link set s0 up")
        (folder / "shared").mkdir()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)

    def host(self, name: str, number: int) -> Host:
        """A new host, connected, with a shell for whoever has the network's key; `number` in its address."""
        address = str(self.subnet[number])
        folder = self.folder / name
        shutil.copytree("/etc/skel", folder / "home")
        _write_login(folder, self.folder / "key.pub", address)
        with (folder / "sshd.log").open("wb") as log:
            process = subprocess.Popen(
                _mortal(
                    *("unshare", "--net", "--pid", "--mount", "--uts", "--fork", "--kill-child"),
                    *("--mount-proc", "bash", "-c", _boot(name, folder, self.folder / "shared")),
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
            )
        self.hosts[name] = host = Host(name, address, folder, process)
        port = self._port(host)
        self._on_switch(
            f"ip link add {port} type veth peer name eth0 netns {host.pid}"
            f" && ip link set {port} master s0 && ip link set {port} up"
        )
        inside = f"ip addr add {address}/{self.subnet.prefixlen} dev eth0 && ip link set eth0 up"
        # A route out, though nothing is there: Ray asks which address leads to the world
        inside += f" && ip route add default via {self.subnet[254]} && touch {folder}/connected"
        subprocess.run(["nsenter", "--target", str(host.pid), "--net", "bash", "-c", inside], check=True)
        _wait(lambda: self._answers(host), f"{name}: sshd does not answer")
        return host

    def unplug(self, host: Host) -> None:
        """Nothing reaches the host any more, nor hears that it does not."""
        self._on_switch(f"ip link set {self._port(host)} down")

    def plug(self, host: Host) -> None:
        """Undo `unplug`."""
        self._on_switch(f"ip link set {self._port(host)} up")

    def power_off(self, host: Host) -> None:
        """No process of the host gets to say another word."""
        self.unplug(host)
        host.process.kill()
        host.process.wait()

    def close(self) -> None:
        """End every host and the switch."""
        for process in (*(host.process for host in self.hosts.values()), self.switch):
            process.kill()
            process.wait()

    @staticmethod
    def _port(host: Host) -> str:
        return "p" + host.address.rpartition(".")[2]

    def _on_switch(self, command: str) -> None:
        subprocess.run(
            ["nsenter", "--target", str(self.switch.pid), "--net", "bash", "-c", command], check=True
        )

    def _answers(self, host: Host) -> bool:
        return f"{host.address}:22" in host.listening()

    @staticmethod
    def _differs(pid: int, kind: str) -> bool:
        return Path(f"/proc/{pid}/ns/{kind}").readlink() != Path(f"/proc/self/ns/{kind}").readlink()


@contextmanager
def network() -> Iterator[Network]:
    """A network without hosts; at the end nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="dfa_tune-hosts-", dir="/var/tmp"))
    made = None
    try:
        made = Network(folder)
        yield made
    finally:
        if made is not None:
            made.close()
        shutil.rmtree(folder, ignore_errors=True)


def _mortal(*command: str) -> Sequence[str]:
    """The command, killed when the process that starts it dies."""
    return ["setpriv", "--pdeathsig", "KILL", *command]


def _write_login(folder: Path, public_key: Path, address: str) -> None:
    """What lets root of this host in, whoever root is on the machine."""
    (folder / "passwd").write_text(
        f"root:x:0:0:root:{folder}/home:/bin/bash\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
    )
    (folder / "shadow").write_text("root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host_key")], check=True
    )
    (folder / "sshd_config").write_text(
        f"ListenAddress {address}\nHostKey {folder}/host_key\nAuthorizedKeysFile {public_key}\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        f"PidFile none\nMaxStartups 100\nSetEnv PATH={ENVIRONMENT['PATH']}\n"
    )


def _boot(name: str, folder: Path, shared: Path) -> str:
    """What process 1 of a host does: files of its own, then sshd once the network is there."""
    tmp = folder / "tmp"
    kept = {ROOT, Path(sys.prefix), Path(sys.base_prefix)}
    lines = [f"hostname {name}", "ip link set lo up", f"mkdir -p {tmp} && mount -t tmpfs tmpfs {tmp}"]
    for path in sorted(kept):
        if path.is_relative_to("/tmp"):  # it would be hidden by the host's own /tmp
            lines.append(f"mkdir -p {tmp}{str(path)[4:]} && mount --bind {path} {tmp}{str(path)[4:]}")
    lines += [
        f"mount --rbind {tmp} /tmp && chmod 1777 /tmp",
        "mount -t tmpfs tmpfs /dev/shm",
        f"mount -t tmpfs tmpfs /srv && mkdir {SHARED} && mount --bind {shared} {SHARED}",
        f"mount --bind {folder}/passwd /etc/passwd && mount --bind {folder}/shadow /etc/shadow",
        "mkdir -p /run/sshd",
        f"until [ -e {folder}/connected ]; do sleep 0.1; done",
        f"$(command -v sshd) -D -e -f {folder}/sshd_config &",
        "while :; do sleep 1000 & wait $!; done",  # bash, as process 1, takes in orphans meanwhile
    ]
    return "set -e\n" + "\n".join(lines)


def _wait(condition: object, complaint: str, seconds: float = 20) -> None:
    """Until `condition()` is true."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(complaint)
        time.sleep(0.05)


if __name__ == "__main__":
    if why := what_is_missing():
        print(why)
        sys.exit(1)
