"""A cluster of several hosts, for real: started, used, broken, mended and stopped as docs/CLUSTER.md says.

Run as root: `uv run --extra cluster pytest -m cluster -s`. What happens is printed with the seconds since the
start; the commands come from docs/CLUSTER.md, with this suite's own small space in place of `quickstart`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from hosts import ROOT, Host, Network, network, what_is_missing

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        bool(why := what_is_missing()), reason=f"no hosts of their own on this machine: {why}"
    ),
]

BIN = f"{sys.prefix}/bin"
TOKEN = {"RAY_AUTH_MODE": "token"}
SMALL = """
name: small
title: A sweep of which every host gets a part
problem: {kind: parity, dataset: digits, k: 2, train_samples: 20000}
network: {hidden: 256}
training: {epochs: 10, batch_size: 32, device: cpu}
methods: [{rule: [bp, dfa], optimizer: sgd}]
learning_rates: {sgd: {low: 1.0e-2, high: 1.0, points: 5}}
repetitions: 2
"""
CONFIGURED = {22, 6379, 6380, 6381, 6382, 6383, 6384, 6385, 8265, 10001, 44217, 44227}
WORKER_PORTS = range(20000, 21000)


class Cluster:
    """The hosts, with the commands of docs/CLUSTER.md run on them."""

    def __init__(self, hosts: Network) -> None:
        self.network, self.begun = hosts, time.monotonic()
        self.head, self.one, self.two = (hosts.host(n, i + 1) for i, n in enumerate(("head", "one", "two")))
        self.laptop = hosts.host("laptop", 100)
        self.results = hosts.folder / "shared" / "results"
        self._project()
        alone = f"PATH={BIN}:$PATH; nice dfa-tune run small.yaml --results ~/alone --pack 1"
        self.alone = self.begin(self.laptop, alone)

    def _project(self) -> None:
        """What the user has on the laptop: the project, a key, and cluster.yaml, edited."""
        home = self.laptop.home
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".ssh" / "id_ed25519").write_bytes((self.network.folder / "key").read_bytes())
        (home / ".ssh" / "id_ed25519").chmod(0o600)
        self.edit()
        for name in ("deploy", *self.config["file_mounts"].values()):
            if not name.startswith("~"):
                subprocess.run(["cp", "-r", str(ROOT / name), str(home / name)], check=True)
        (home / "small.yaml").write_text(SMALL)

    def edit(self) -> None:
        """Write cluster.yaml as it is shipped, but for what one machine cannot do or should not."""
        self.config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
        # Nothing is installed from a network that is not there: the hosts share this machine's files
        link = f"ln -sfn {sys.prefix} ~/dfa_tune/.venv"
        self.config["setup_commands"] = [link, self.config["setup_commands"][-1]]
        for commands in ("head_start_ray_commands", "worker_start_ray_commands"):
            start = self.config[commands][-1]
            # One core each: together they have those of one machine
            self.config[commands][-1] = start.replace("ray start", "ray start --num-cpus=1")
        (self.laptop.home / "cluster.yaml").write_text(yaml.safe_dump(self.config))

    def add_odd(self) -> None:
        """A host that has, so it says, another torch; it joins by the commands of cluster.yaml, by hand."""
        self.odd = odd = self.network.host("odd", 6)
        disguise = odd.home / "packages" / "torch-2.0.0.dist-info"
        disguise.mkdir(parents=True)
        (disguise / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.0.0\n")
        (odd.home / ".ray").mkdir()
        (odd.home / ".ray" / "auth_token").write_text((self.laptop.home / ".ray" / "auth_token").read_text())
        start = self.config["worker_start_ray_commands"][-1].replace("$RAY_HEAD_IP", self.head.address)
        start = start.replace(". ~/dfa_tune/.venv/bin/activate;", "")
        path = f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin"
        self.odd_starts = self.begin(odd, start, PYTHONPATH=str(disguise.parent), PATH=path)

    def say(self, line: str) -> None:
        """Into the suite's log."""
        print(f"{time.monotonic() - self.begun:6.1f} s  {line}", flush=True)

    def on(self, host: Host, command: str, *, check: bool = True, timeout: float = 120, **more: str) -> str:
        """What a command prints on a host."""
        environment = {"PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin"} | more
        return host.run(command, environment, check=check, timeout=timeout).stdout

    def begin(self, host: Host, command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a command on a host, and do not wait for its end."""
        full = host.command(command, environment)
        return subprocess.Popen(full, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def documented(self, beginning: str, *, timeout: float = 120) -> str:
        """Run, on the laptop, the command of docs/CLUSTER.md that begins so."""
        command = small(documented(beginning))
        self.say(f"laptop$ {command}")
        return self.on(self.laptop, command, timeout=timeout)

    def joined(self, *hosts: Host) -> bool:
        """Whether each of them runs a raylet that the head knows."""
        if not all("*:6380" in host.listening() for host in hosts):
            return False
        nodes = self.on(self.head, "ray list nodes --filter state=ALIVE --format json", **TOKEN, check=False)
        return all(f'"{host.address}"' in nodes for host in hosts)

    def trained_on(self) -> dict[str, int]:
        """Files of finished packs by host."""
        files = (self.results / "small" / "epochs").glob("*.parquet")
        hosts = [(pq.read_metadata(file).metadata or {})[b"host"].decode() for file in files]
        return {host: hosts.count(host) for host in sorted(set(hosts))}

    def train(self, host: Host, *, go: bool) -> None:
        """Hold what the host trains, or let it go on: so each has its turn, however fast the machine is."""
        host.run(f"pkill -{'CONT' if go else 'STOP'} -f '[T]rainable'", check=False)

    def wait_for_packs(self, what: str, hosts: Mapping[str, int]) -> None:
        """Until each of these hosts has trained so many packs; each is held from then on."""

        def enough() -> bool:
            trained = self.trained_on()
            done = [name for name, packs in hosts.items() if trained.get(name, 0) >= packs]
            for name in done:
                self.train(self.network.hosts[name], go=False)
            return len(done) == len(hosts)

        self.wait(what, enough)

    def wait(self, what: str, condition: object, seconds: float = 900) -> None:
        """Until `condition()` is true."""
        assert callable(condition)
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = "/tmp/ray/session_latest/logs"
                said = self.on(self.head, f"tail -n 25 {logs}/monitor.out {logs}/gcs_server.out", check=False)
                raise AssertionError(f"not within {seconds:g} s: {what}\n{said}")
            time.sleep(0.5)
        self.say(what)


def documented(beginning: str) -> str:
    """The command of docs/CLUSTER.md that begins so."""
    blocks = re.findall(r"^```console\n(.*?)^```", (ROOT / "docs/CLUSTER.md").read_text(), re.M | re.S)
    lines = re.sub(r" *\\\n *", " ", "".join(blocks)).splitlines()
    return next(line[2:] for line in lines if line.startswith(f"$ {beginning}"))


def small(command: str) -> str:
    """The command with the suite's space, whose packs are small enough for every host to get several."""
    return command.replace("quickstart", "small.yaml")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three hosts that `ray up` has started Ray on, and a laptop that is not one of them."""
    with network() as hosts:
        made = Cluster(hosts)
        made.say("hosts: " + ", ".join(f"{host.name} {host.address}" for host in hosts.hosts.values()))
        made.documented("umask 077; ray get-auth-token")
        made.documented("ray up cluster.yaml")
        for host in (made.head, made.one, made.two):
            made.on(host, f"nft -f {made.laptop.home}/deploy/firewall.nft")
        made.wait("three machines run Ray", lambda: made.joined(made.head, made.one, made.two))
        made.add_odd()
        yield made


def test_nothing_listens_elsewhere_than_configured(cluster: Cluster) -> None:
    for host in (cluster.head, cluster.one):
        for place, program in host.listening().items():
            address, _, port = place.rpartition(":")
            local = address.startswith(("127.", "[::ffff:127.", "[::1]"))
            assert local or int(port) in CONFIGURED or int(port) in WORKER_PORTS, (host.name, place, program)
    assert "127.0.0.1:8265" in cluster.head.listening()
    assert not [
        place for place in cluster.head.listening() if place.endswith(":8265") and place[:4] != "127."
    ]


def test_to_others_no_port_is_open_but_sshs(cluster: Cluster) -> None:
    def reaches(sender: Host, port: int) -> bool:
        probe = f"timeout 2 bash -c '< /dev/tcp/{cluster.head.address}/{port}' 2> /dev/null && echo yes"
        return "yes" in sender.run(probe, check=False).stdout

    assert reaches(cluster.one, 6379)
    assert [port for port in (22, 6379, 6380, 8265, 10001) if reaches(cluster.laptop, port)] == [22]


@pytest.mark.parametrize(
    "environment", [{"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}]
)
def test_whoever_has_not_the_token_is_refused(cluster: Cluster, environment: dict[str, str]) -> None:
    run = f"dfa-tune run quickstart --results /tmp/r --address {cluster.head.address}:6379; echo code $?"
    answer = "does not accept this machine's token"
    assert answer in (said := cluster.on(cluster.one, run, **environment))
    assert "code 2" in said
    said = cluster.on(cluster.head, "dfa-tune jobs; echo code $?", **environment)
    assert answer in said
    assert "code 2" in said


def test_machines_with_another_torch_or_another_folder_are_refused(cluster: Cluster) -> None:
    assert cluster.odd_starts.wait(400) == 0
    cluster.wait("a machine with another torch has joined", lambda: cluster.joined(cluster.odd))
    said = cluster.on(
        cluster.head, "dfa-tune run quickstart --results /tmp/mine --address auto; echo code $?", timeout=240
    )
    lines = {line.split(":")[0].strip(): line for line in said.splitlines()}
    cluster.say(lines["odd (10.77.0.6)"].strip())
    assert re.search(r"torch 2\.0\.0 instead of \d", lines["odd (10.77.0.6)"])
    assert "/tmp/mine is not the folder that the driver writes to" in lines["one (10.77.0.2)"]
    assert "torch" not in lines["one (10.77.0.2)"]
    assert not any(line.startswith("head (") for line in lines)
    assert "code 2" in said
    cluster.on(cluster.odd, "ray stop")


def test_a_sweep_ends_as_on_one_machine_whatever_befalls_its_machines(cluster: Cluster) -> None:
    log = cluster.network.folder / "submit.log"
    path = {"PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin"}
    dashboard = documented("ray dashboard")
    cluster.say(f"laptop$ {dashboard}")
    tunnel = subprocess.Popen(cluster.laptop.command(dashboard, path), stdout=subprocess.DEVNULL)
    reach = "timeout 2 bash -c '< /dev/tcp/127.0.0.1/8265'"
    cluster.wait("the tunnel is open", lambda: cluster.laptop.run(reach, check=False).returncode == 0)
    submit = small(documented("dfa-tune submit")) + " --pack 1"
    cluster.say(f"laptop$ {submit}")
    with log.open("wb") as file:
        job = subprocess.Popen(cluster.laptop.command(submit, path), stdout=file, stderr=subprocess.STDOUT)
    try:
        cluster.three = cluster.network.host("three", 4)
        cluster.on(cluster.three, f"nft -f {cluster.laptop.home}/deploy/firewall.nft")
        cluster.say("three is switched on: the head starts Ray on it when packs wait")
        cluster.wait_for_packs("head, one and two have trained", {"head": 1, "one": 1, "two": 1})
        cluster.say(cluster.documented("dfa-tune status").strip())
        cluster.network.power_off(cluster.two)
        cluster.say("two has lost its power")
        cluster.wait_for_packs("the new host has trained", {"three": 1})
        cluster.network.unplug(cluster.one)
        cluster.train(cluster.one, go=True)
        time.sleep(6)
        cluster.network.plug(cluster.one)
        cluster.say("one was away for six seconds")
        cluster.wait_for_packs("one has trained again", {"one": cluster.trained_on()["one"] + 1})
        assert "small" in cluster.documented("dfa-tune jobs")
        for host in (cluster.head, cluster.one, cluster.three):
            cluster.train(host, go=True)
        assert job.wait(400) == 0, log.read_text()
        cluster.say(f"complete; packs trained by host: {cluster.trained_on()}")
    finally:
        tunnel.kill()
        print(log.read_text()[-3000:])
    assert cluster.alone.wait(400) == 0
    mine, theirs = (rows(cluster.laptop.home / "alone"), rows(cluster.results))
    pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
    cluster.say(f"identical to a single machine's: {len(mine)} rows of {mine.trial_id.nunique()} trials")
    assert "bp-sgd" in cluster.documented("dfa-tune summary")


def rows(results: Path) -> pd.DataFrame:
    """All that does not say how long it took, in one order."""
    frame = pd.read_parquet(results / "small" / "epochs").drop(columns="seconds")
    return frame.sort_values(["trial_id", "epoch"], ignore_index=True)


def test_ray_down_stops_every_machine(cluster: Cluster) -> None:
    cluster.documented("ray down cluster.yaml")
    hosts = [cluster.head, cluster.one, cluster.three]
    # Workers end when the head has been gone for half a minute; their agents try to tell it for one more
    cluster.wait(
        "no host runs Ray", lambda: all(set(host.listening().values()) == {"sshd"} for host in hosts)
    )
