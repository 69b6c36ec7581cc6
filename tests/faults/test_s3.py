"""Results in an object store: a real S3 protocol server on loopback, credentials from the environment."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from sweeps import TRIALS, running, train_alone, wait_for, write_space
from sweeps import rows as rows_of
from typer.testing import CliRunner

from dfa_tune.cli import app
from dfa_tune.errors import UserError
from dfa_tune.results import Leases, Store, maintenance

KEY, SECRET = "AKIAEXAMPLE0KEY", "s3cr3t/That+Must0NotLeak"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The endpoint of a server that was started for these tests."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or each request is a line
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture
def uri(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An empty bucket of its own."""
    import boto3

    for name, value in {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}.items():
        monkeypatch.setenv(name, value)
    bucket = re.sub(r"[^a-z0-9]+", "-", request.node.name)[:50].strip("-")
    boto3.client("s3", endpoint_url=f"http://{server}", region_name="us-east-1").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/results?endpoint_override={server}&scheme=http&region=us-east-1"


def everything(uri: str, server: str) -> dict[str, bytes]:
    """All objects of the bucket."""
    import boto3

    client = boto3.client("s3", endpoint_url=f"http://{server}", region_name="us-east-1")
    bucket = uri.split("/")[2]
    listed = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    # Names with a slash at their end stand for folders
    listed = [entry for entry in listed if not entry["Key"].endswith("/")]
    return {o["Key"]: client.get_object(Bucket=bucket, Key=o["Key"])["Body"].read() for o in listed}


def test_commands_read_and_write_a_bucket_as_they_do_a_folder(uri: str, server: str, tmp_path: Path) -> None:
    space = write_space(tmp_path, epochs=3)
    expected = train_alone(space, tmp_path / "local")
    pd.testing.assert_frame_equal(train_alone(space, uri), expected, check_exact=True)
    outputs = []
    for command in (["status"], ["summary", "--json"], ["plot"], ["compact"], ["run"]):
        result = CliRunner().invoke(app, [command[0], str(space), "--results", uri, *command[1:]])
        assert result.exit_code == 0, result.output
        outputs.append(result.stdout)
    assert f"{TRIALS} done, 0 running" in outputs[0]
    assert {row["n"] for row in json.loads(outputs[1])} == {2}
    assert "Nothing left to do" in outputs[-1]
    objects = everything(uri, server)
    assert "results/faulty/figures/faulty.png" in objects
    assert sum(name.startswith("results/faulty/epochs/") for name in objects) == 1  # after compact
    pd.testing.assert_frame_equal(rows_of(space, uri), expected, check_exact=True)
    for text in (*objects.values(), *(output.encode() for output in outputs)):
        assert KEY.encode() not in text
        assert SECRET.encode() not in text


def test_two_writers_do_not_take_each_others_packs(uri: str) -> None:
    ours, theirs = (Leases(Store(uri, "faulty")) for _ in range(2))
    assert ours.acquire("pack", ["a"])
    assert not theirs.acquire("pack", ["a"])
    ours.release("pack")
    assert theirs.acquire("pack", ["a"])


def test_an_object_that_is_torn_is_set_aside(uri: str) -> None:
    store = Store(uri, "faulty")
    store.check_writable()
    store.epochs.put("torn.parquet", b"PAR1 and no more")
    assert maintenance.set_aside(store) == ["torn.parquet"]
    assert store.folder("damaged").read("torn.parquet") == b"PAR1 and no more"


@pytest.mark.parametrize("wrong", ["bucket", "server"])
def test_an_error_names_the_place_and_no_credentials(uri: str, server: str, wrong: str) -> None:
    bad = (
        uri.replace(uri.split("/")[2], "no-such-bucket")
        if wrong == "bucket"
        else uri.replace(server, "127.0.0.1:9")
    )
    with pytest.raises(UserError, match=r"s3://.*/results/faulty/epochs") as caught:
        Store(bad, "faulty").check_writable()
    for secret in (KEY, SECRET):
        assert secret not in str(caught.value)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_runs_share_a_bucket_and_one_of_them_is_killed(uri: str, server: str, tmp_path: Path) -> None:
    space = write_space(tmp_path, epochs=100)
    expected = train_alone(space, tmp_path / "local")
    store = Store(uri, "faulty")
    with running(space, uri) as first, running(space, uri) as second:
        wait_for(lambda: len({lease.owner for lease in Leases(store).active().values()}) == 2, 180)
        first.kill(*first.tree())
        code, out, err = second.end(600)
    assert code == 0, err
    with running(space, uri) as again:
        code, more, _ = again.end(120)
    assert "Nothing left to do" in more
    pd.testing.assert_frame_equal(rows_of(space, uri), expected, check_exact=True)
    objects = everything(uri, server)
    assert not [name for name in objects if "/checkpoints/" in name or "/damaged/" in name]
    for text in (*objects.values(), out.encode(), err.encode(), more.encode()):
        assert SECRET.encode() not in text
