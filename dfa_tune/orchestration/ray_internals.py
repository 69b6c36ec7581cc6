"""Everything that we use of Ray beyond its public interface, in one place.

All of it was read, and is tested, in Ray 2.60, which is the version that pyproject.toml allows. Read this
module again before allowing another one. Each function says what it is for and what happens without it.
Ray is imported inside the functions: `session` sets environment variables that Ray reads when it is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dfa_tune.bundled import PACKAGE

# Methods of ray._private.node.Node: the autoscaler, the collector of logs and the dashboard's server
HELPERS = ("start_monitor", "start_log_monitor", "start_api_server")


def private_options(folder: str, object_store: str) -> dict[str, Any]:
    """Arguments of `ray.init` for a new Ray that is private.

    It listens on loopback only, has its sockets and logs in `folder`, whose path Ray limits to 43 bytes,
    and its object store's file in the folder `object_store`. `ray.init` calls these options hidden. If one
    is gone, it raises a RuntimeError that names it; without them, Ray listens on every interface, and its
    files are in a folder that every user can write to.
    """
    return {"_node_ip_address": "127.0.0.1", "_temp_dir": folder, "_plasma_directory": object_store}


def job_config() -> Any:
    """A JobConfig for `ray.init` that keeps this process's folders off the workers' import path.

    Ray puts the driver's working folder, and that of its script, at the front of each worker's sys.path: a
    `pydantic.py` there would be executed, and another checkout's `dfa_tune` would train. It does so unless
    the job has a working folder of its own, which is what the overridden method answers. If the method is
    gone, this has no effect, and workers refuse to train with other code than the driver's.

    A dfa_tune that is not installed, but lies beside the script or in the folder where `python -m` was
    started, is put on the path: workers would not find it otherwise.
    """
    from ray.job_config import JobConfig

    class OwnPath(JobConfig):
        def _runtime_env_has_working_dir(self) -> bool:
            return True

    here = str(PACKAGE.parent)
    return OwnPath(_py_driver_sys_path=[] if here in sys.path[1:] else [here])


@contextmanager
def without_signal_handler() -> Iterator[None]:
    """While this is open, `ray.init` installs no handler for SIGTERM.

    Its handler exits with the signal's number, and without a word. If the function is gone, this raises
    AttributeError; without this context, SIGTERM while Ray starts is not handled by us.
    """
    from ray._private import utils

    kept = utils.set_sigterm_handler
    utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = kept


@contextmanager
def without_helpers() -> Iterator[None]:
    """While this is open, a Ray that starts has a control store, a raylet with its agents, and workers.

    Ray also starts an autoscaler, a collector of logs and the dashboard's server, the latter even where it is
    told to have no dashboard. Nothing here asks them anything, and three more Python processes cost seconds
    of two cores while the workers start. If Node no longer has these methods, this raises AttributeError;
    without this context, Ray starts more slowly.
    """
    from ray._private.node import Node

    kept = {name: getattr(Node, name) for name in HELPERS}
    for name in kept:
        setattr(Node, name, lambda self, **options: None)
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(Node, name, method)


def read_environment_again(*, loopback: bool) -> None:
    """Make a Ray that was imported before `session` take up the environment variables set since.

    Ray reads its configuration and its token once, as in a notebook that imports Ray in its first cell.
    `loopback`: also allow 127.0.0.1 as this machine's address. If one of these names is gone, this raises
    ImportError or AttributeError; without it, such a Ray has no token, and listens on every interface.
    """
    from ray._private import ray_constants
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
    if loopback:
        ray_constants.ENABLE_RAY_CLUSTER = False


def head_address(address: str) -> str | None:
    """HOST:PORT of the head that `--address` means; None where it is "auto" and this machine has no cluster.

    Raises ValueError or OSError where `address` is not an address. If the function is gone, this raises
    ImportError; "auto" then has to be resolved otherwise.
    """
    from ray._private.services import canonicalize_bootstrap_address

    found: str | None = canonicalize_bootstrap_address(address)
    return found


def ask_head(head: str, timeout: float) -> None:
    """Ask the control store at `head` for a key; returns if it answers and accepts our token.

    Raises ray.exceptions.AuthenticationError if it does not accept it, and RpcError or ValueError if it
    does not answer within `timeout` seconds, or is another server. `ray.init` does not tell these apart.
    GcsClient waits for 40 s, whatever the timeout, where no server speaks gRPC, and prints log lines, which
    are discarded here. If GcsClient is gone, this raises ImportError; without it, `ray.init` fails with a
    message that blames the network.
    """
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    with _nothing_printed():
        GcsClient(address=head).internal_kv_exists(b"", None, timeout=timeout)


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """Discard what C++ code writes to standard error."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def kill_worker(trial: Any) -> None:
    """End the worker of a Tune trial, even one that is suspended; Tune then hears that the worker has died.

    Tune shows a trial's actor to nobody. If `temporary_state.ray_actor` is gone, this raises AttributeError;
    without it, a worker that was suspended keeps its core, and its pack, until it goes on.
    """
    import ray

    if (actor := trial.temporary_state.ray_actor) is not None:
        ray.kill(actor)
