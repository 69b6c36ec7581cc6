"""Watches a cluster's machines: which may train, and what resources they have as they join and leave.

A machine with other versions, other data or another results folder than the driver would compute other
numbers, or lose them. If there is one at the start, nothing starts. One that joins later gets no packs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.placement import Machines
from dfa_tune.orchestration.worker.versions import differences, versions
from dfa_tune.problems.datasets import content_digest
from dfa_tune.registry import use_only
from dfa_tune.results.store import Store

POLL_SECONDS = 2.0  # between two queries of the list of machines
ANSWER_SECONDS = 90.0  # for a machine to answer, which may first start Python from a slow disk
PROBE_SECONDS = 5.0  # within which a file server should show a file that another machine has written


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a machine must have to train.

    `versions`: as `versions()` gives them. `digests`: of the data sets in the folder `data`, by name.
    `results`, `name`: the results folder and the sweep's name. `probe`: a file that the driver has written
    there, relative to `<results>/<name>`; None where the results are at a URI. `plugins`: those of the sweep,
    by kind; it has to be able to import them.
    """

    versions: dict[str, str]
    data: str | None
    digests: dict[str, str | None]
    results: str
    name: str
    probe: str | None
    plugins: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def here(
        cls,
        store: Store,
        data: str | None,
        datasets: tuple[str, ...],
        owner: str,
        plugins: dict[str, list[dict[str, Any]]] | None = None,
    ) -> Expected:
        """What this machine, the driver's, has. Writes the probe, which `Nodes` removes."""
        results = str(store.location)
        probe = None if "://" in results else f"leases/.probe-{owner}"
        if probe is not None:
            store.folder("leases").put(Path(probe).name, b"")
        digests = {name: content_digest(name, data) for name in datasets}
        return cls(
            versions=versions(),
            data=data,
            digests=digests,
            results=results,
            name=store.name,
            probe=probe,
            plugins=plugins or {},
        )


def reasons_to_refuse(expected: Expected) -> list[str]:
    """Why the machine that calls this may not train, one text for each reason; empty if it may."""
    found = differences(expected.versions, versions())
    try:
        use_only(expected.plugins)
    except UserError as error:
        found.append(str(error))
    for name, digest in expected.digests.items():
        try:
            here = content_digest(name, expected.data)
        except UserError as error:
            found.append(str(error))
            continue
        if here != digest:
            what = "is missing" if here is None else f"has other content ({here} instead of {digest})"
            found.append(f"data set {name!r} in {expected.data} {what}")
    if expected.probe is not None and not _probe_appears(expected):
        found.append(
            f"{expected.results} is not the folder that the driver writes to; --results must be a folder"
            " that all machines share, or a URI"
        )
    return found


def _probe_appears(expected: Expected) -> bool:
    path = Path(expected.results) / expected.name / str(expected.probe)
    deadline = time.monotonic() + PROBE_SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@ray.remote(num_cpus=0, max_retries=0)
def _reasons_to_refuse(expected: dict[str, Any]) -> list[str]:
    return reasons_to_refuse(Expected(**expected))


@ray.remote(num_cpus=1, max_restarts=0)
class _Occupant:
    """Reserves one core of a machine that may not train."""


class Nodes:
    """Watches the cluster while a sweep runs; a context.

    `changed` is called from another thread with the machines that may train, whenever these have changed, and
    `tell` with a line for the user. Entering raises UserError if one of the machines may not train.
    """

    def __init__(
        self,
        expected: Expected,
        store: Store,
        *,
        changed: Callable[[Machines], None],
        tell: Callable[[str], None],
    ) -> None:
        self._expected, self._store = asdict(expected), store
        self._changed, self._tell = changed, tell
        self._known: set[str] = set()
        self._refused: set[str] = set()
        self._occupants: list[Any] = []  # kept: Ray ends an actor when its last handle is gone
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="nodes", daemon=True)

    def __enter__(self) -> Nodes:
        refused = [f"{where}: {'; '.join(why)}" for _, where, why in self._examine()]
        if refused:
            self._remove_probe()
            raise UserError("these machines of the cluster may not train:\n  " + "\n  ".join(refused))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=5.0)  # it may be waiting for an answer from a machine that has just died
        self._remove_probe()

    def _remove_probe(self) -> None:
        if self._expected["probe"] is not None:
            self._store.folder("leases").remove(Path(self._expected["probe"]).name)

    def _watch(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            try:
                before = self._known
                for node, where, why in self._examine():
                    self._refused.add(node["NodeID"])
                    self._occupy(node)
                    self._tell(f"{where} has joined but may not train: {'; '.join(why)}")
                if self._known != before:
                    self._changed(
                        {
                            node["NodeID"]: node["Resources"]
                            for node in ray.nodes()
                            if node["Alive"] and node["NodeID"] not in self._refused
                        }
                    )
            except ray.exceptions.RayError:
                continue  # the head does not answer at the moment

    def _examine(self) -> list[tuple[dict[str, Any], str, list[str]]]:
        """Ask each new machine whether it may train; returns those that may not, with name and reasons."""
        present = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        new = [node for name, node in present.items() if name not in self._known]
        self._known = set(present)
        asked = {}
        for node in new:
            if node["Resources"].get("CPU"):  # a head without cores trains nothing
                there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                task = _reasons_to_refuse.options(scheduling_strategy=there)
                asked[node["NodeID"]] = task.remote(self._expected)
        refused = []
        for name, answer in asked.items():
            try:
                why = ray.get(answer, timeout=ANSWER_SECONDS)
            except ray.exceptions.GetTimeoutError:
                why = [f"no answer in {ANSWER_SECONDS:g} s"]
            except ray.exceptions.NodeDiedError:
                continue  # it has left again
            except ray.exceptions.RayError as error:
                why = [f"dfa_tune does not run there: {str(error).strip().splitlines()[-1]}"]
            if why:
                node = present[name]
                refused.append((node, f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})", why))
        return refused

    def _occupy(self, node: Mapping[str, Any]) -> None:
        """Reserve every core of the machine, each as soon as it is free, so that no pack is placed there."""
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        for _ in range(int(node["Resources"]["CPU"])):
            actor = _Occupant.options(scheduling_strategy=there)  # type: ignore[attr-defined]
            self._occupants.append(actor.remote())
