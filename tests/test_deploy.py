"""cluster.yaml and the files in deploy/ fit Ray's schema and the documented fields, and keep our promises."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
LAUNCHER = ["cluster.yaml", "deploy/aws.yaml"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Of what we use, the fields and types that KubeRay documents (API reference, ray.io/v1, KubeRay 1.5)
POD = {"spec": {"containers": list, "volumes": list, "tolerations": list}}
RAYJOB: dict[str, Any] = {
    "apiVersion": str,
    "kind": str,
    "metadata": {"name": str},
    "spec": {
        "entrypoint": str,
        "submissionMode": str,
        "shutdownAfterJobFinishes": bool,
        "ttlSecondsAfterFinished": int,
        "backoffLimit": int,
        "rayClusterSpec": {
            "rayVersion": str,
            "authOptions": {"mode": str},
            "enableInTreeAutoscaling": bool,
            "autoscalerOptions": {"idleTimeoutSeconds": int, "upscalingMode": str},
            "headGroupSpec": {"serviceType": str, "rayStartParams": dict, "template": POD},
            "workerGroupSpecs": [
                {
                    "groupName": str,
                    "replicas": int,
                    "minReplicas": int,
                    "maxReplicas": int,
                    "rayStartParams": dict,
                    "template": POD,
                }
            ],
        },
    },
}


def read(file: str) -> Any:
    return yaml.safe_load((ROOT / file).read_text())


@pytest.mark.parametrize("file", LAUNCHER)
def test_rays_schema_accepts_the_cluster(file: str) -> None:
    from ray.autoscaler._private.local.config import prepare_local

    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    config = read(file)
    if config["provider"]["type"] == "local":
        config, _ = prepare_local(config)  # as `ray up` does first: min_workers becomes a node type's
    jsonschema.validate(config, schema)


@pytest.mark.parametrize("file", LAUNCHER)
def test_ray_prepares_the_cluster_as_ray_up_would(file: str) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(read(file))
    validate_config(config)
    for name, node_type in config["available_node_types"].items():
        assert node_type["max_workers"] >= node_type["min_workers"], name


def test_the_job_has_the_documented_fields_and_no_others() -> None:
    def check(value: Any, wanted: Any, where: str) -> None:
        if isinstance(wanted, type):
            assert isinstance(value, wanted), where
        elif isinstance(wanted, list):
            for number, item in enumerate(value):
                check(item, wanted[0], f"{where}[{number}]")
        else:
            assert set(value) <= set(wanted), where
            for key, item in value.items():
                check(item, wanted[key], f"{where}.{key}")

    job = read("deploy/rayjob.yaml")
    check(job, RAYJOB, "RayJob")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")


def pinned() -> dict[str, set[str]]:
    """The Ray and Python versions that the files name."""
    launchers = "".join((ROOT / file).read_text() for file in LAUNCHER)
    image = (ROOT / "deploy/Dockerfile").read_text()
    job = read("deploy/rayjob.yaml")["spec"]["rayClusterSpec"]["rayVersion"]
    base = re.findall(r"rayproject/ray:([\d.]+)-py(\d)(\d+)", image)
    return {
        "ray": {
            job,
            *(ray for ray, _, _ in base),
            *re.findall(r"ray\[[a-z,]+\]==([\d.]+)", launchers + image),
        },
        "python": {*re.findall(r"--python (\d[\d.]+)", launchers), *(f"{a}.{b}" for _, a, b in base)},
    }


def test_ray_and_python_are_pinned_to_the_projects() -> None:
    constraint = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert constraint is not None
    assert pinned()["ray"] == {constraint[1]}
    required = next(text for text in PROJECT["dependencies"] if text.startswith("ray["))
    assert Version(constraint[1]) in SpecifierSet(required.partition("]")[2])
    (python,) = pinned()["python"]
    assert Version(python) in SpecifierSet(PROJECT["requires-python"])


@pytest.mark.parametrize("file", LAUNCHER)
def test_the_token_is_on_and_travels_and_the_dashboard_stays_on_loopback(file: str) -> None:
    config = read(file)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    starts = [commands[-1] for key, commands in config.items() if key.endswith("start_ray_commands")]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token" in start and " ray start " in f" {start} " for start in starts)
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]


@pytest.mark.parametrize("file", LAUNCHER)
def test_what_travels_is_in_the_checkout_and_neither_data_nor_results(file: str) -> None:
    for local in read(file)["file_mounts"].values():
        assert local.startswith("~") or (ROOT / local).exists()
        assert local not in (".", "results", "data")


def test_on_aws_no_port_is_open_to_the_world_and_workers_come_from_zero_and_go() -> None:
    config = read("deploy/aws.yaml")
    types = config["available_node_types"]
    # Where a node type names no group, Ray makes one whose port 22 is open to everybody
    assert all(node_type["node_config"].get("SecurityGroupIds") for node_type in types.values())
    assert "0.0.0.0" not in (ROOT / "deploy/aws.yaml").read_text()  # noqa: S104
    worker = types["gpu"]
    assert (worker["min_workers"], worker["node_config"]["InstanceMarketOptions"]["MarketType"]) == (
        0,
        "spot",
    )
    assert 0 < config["idle_timeout_minutes"] <= 15


def test_on_kubernetes_the_token_is_on_and_workers_come_from_zero_and_go() -> None:
    cluster = read("deploy/rayjob.yaml")["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert cluster["enableInTreeAutoscaling"] is True
    assert [group["minReplicas"] for group in cluster["workerGroupSpecs"]] == [0]
    shared = [group["template"]["spec"]["volumes"] for group in cluster["workerGroupSpecs"]]
    assert shared == [cluster["headGroupSpec"]["template"]["spec"]["volumes"]]
    assert read("deploy/rayjob.yaml")["spec"]["shutdownAfterJobFinishes"] is True


def test_the_firewall_knows_the_machines_of_the_cluster() -> None:
    import ipaddress

    found = re.search(r"define machines = \{ (.+) \}", (ROOT / "deploy/firewall.nft").read_text())
    assert found is not None
    provider = read("cluster.yaml")["provider"]
    for address in (provider["head_ip"], *provider["worker_ips"]):
        assert ipaddress.ip_address(address) in ipaddress.ip_network(found[1])
