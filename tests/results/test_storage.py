"""Object stores, and what errors must not tell."""

import os
import pickle
import uuid

import fsspec
import pandas as pd
import pytest

from dfa_tune.errors import UserError
from dfa_tune.results import Leases, Store, maintenance
from dfa_tune.results.object_store import ObjectStore
from dfa_tune.results.storage import open_storage


@pytest.fixture
def remote() -> Store:
    return Store(f"memory://bucket-{uuid.uuid4().hex}/my results/", "sweep")


def test_an_object_store_does_all_that_a_folder_does(remote, rows):
    remote.check_writable()
    assert remote.done() == set()
    remote.publish("1", rows("a"), {})
    remote.publish("2", rows("a") + rows("b"), {})
    sibling = Store(remote.location, "sibling")
    assert sibling.take_over({"b": ("repeat", 1)}) == {"b"}
    assert set(sibling.read().stage) == {"repeat"}
    before = remote.read()
    assert maintenance.compact(remote) == 1
    pd.testing.assert_frame_equal(remote.read(), before)
    remote.epochs.put("torn.parquet", b"PAR1")
    assert maintenance.set_aside(remote) == ["torn.parquet"]
    assert remote.folder("damaged").read("torn.parquet") == b"PAR1"
    assert remote.done() == {"a", "b"}


def test_an_object_appears_whole_with_a_single_put(remote, rows, monkeypatch):
    from fsspec.implementations.memory import MemoryFileSystem

    puts, real = [], MemoryFileSystem.pipe_file

    def watched(self, path, *arguments, **options):
        puts.append(path)
        return real(self, path, *arguments, **options)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", watched)
    remote.publish("pack", rows("a"), {})
    assert [path.rpartition("/")[2] for path in puts] == ["pack.parquet"]


def test_leases_work_on_an_object_store(remote):
    ours, theirs = Leases(remote), Leases(remote)
    assert ours.acquire("pack", ["a"])
    assert not theirs.acquire("pack", ["a"])
    ours.release("pack")
    assert theirs.acquire("pack", ["a"])


def test_a_store_on_an_object_store_can_be_sent_to_a_worker(remote, rows):
    remote.publish("pack", rows("a"), {})
    sent = pickle.loads(pickle.dumps(remote))  # noqa: S301 (our own bytes)
    assert sent.done() == {"a"}


def test_a_remote_path_is_shown_without_credentials():
    remote = ObjectStore("s3://AKIAUSER:s3cr3t%2Fkey@bucket/prefix?endpoint_override=host:1&token=t0ken")
    assert remote.full("sweep/figures") == "s3://bucket/prefix/sweep/figures"


@pytest.mark.parametrize(
    "uri",
    [
        "s3://AKIAUSER:s3cr3t@bucket/prefix",
        "s3://:s3cr3t@bucket",
        "s3://bucket/prefix?region=here&secret_key=s3cr3t",
        "abfs://container@account.dfs.core.windows.net/x?account_key=s3cr3t",
        "leaky://bucket?sessionToken=s3cr3t",
        "https://host/x?X-Amz-Signature=s3cr3t",
    ],
)
def test_credentials_in_a_uri_are_refused_and_not_repeated(uri):
    with pytest.raises(UserError, match="AWS_SECRET_ACCESS_KEY") as caught:
        Store(uri, "sweep")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["abfs://container@account.dfs.core.windows.net/x", "s3://bucket/a:b@c?endpoint_override=host:1"]
)
def test_a_user_or_an_endpoint_is_no_credential(uri):
    assert isinstance(open_storage(uri), ObjectStore)


class LeakyFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A client whose errors repeat all it was given, as some do."""

    protocol = "leaky"

    def ls(self, path, detail=True, **_):
        raise PermissionError("AKIAUSER may not, signed with s3cr3t/key (s3cr3t%2Fkey) and t0ken")

    pipe_file = cat_file = rm_file = ls


@pytest.mark.parametrize("operation", ["done", "check_writable"])
def test_what_a_clients_error_tells_of_the_credentials_is_masked(operation):
    fsspec.register_implementation("leaky", LeakyFileSystem, clobber=True)
    store = Store("leaky://bucket/prefix", "sweep")
    store.storage = ObjectStore("leaky://AKIAUSER:s3cr3t%2Fkey@bucket/prefix?token=t0ken")
    with pytest.raises(UserError, match=r"leaky://bucket/prefix/sweep.*may not") as caught:
        getattr(store, operation)()
    for secret in ("AKIAUSER", "s3cr3t", "t0ken"):
        assert secret not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_unknown_protocol_is_refused():
    with pytest.raises(UserError, match=r"nowhere://bucket.*cannot be reached"):
        Store("nowhere://bucket", "sweep").check_writable()


@pytest.mark.parametrize("text", ["results", "/abs/results", "a:b/c", "~/results"])
def test_what_has_no_scheme_is_a_local_path(text):
    assert open_storage(text).full("x") == os.path.abspath(os.path.expanduser(text)) + "/x"  # noqa: PTH100, PTH111


def test_s3_is_reached_through_pyarrow_without_a_further_package():
    uri = "s3://user:secret@bucket/prefix?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1"
    filesystem, root = ObjectStore(uri)._opened
    assert (filesystem.fs.type_name, root) == ("s3", "bucket/prefix")
