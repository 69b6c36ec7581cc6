"""Everything that we use of Ray beyond its public interface, in one place.

All of it was read, and is tested, in Ray 2.60, which is the version that pyproject.toml allows. Read this
module again before allowing another one. Each function says what it is for and what happens without it.
Ray is imported inside the functions: `session` sets environment variables that Ray reads when it is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Methods of ray._private.node.Node: the autoscaler, the collector of logs and the dashboard's server
HELPERS = ("start_monitor", "start_log_monitor", "start_api_server")


def loopback_options() -> dict[str, Any]:
    """Arguments of `ray.init` that have a new Ray listen on loopback alone.

    `_node_ip_address` is one of the options that `ray.init` calls hidden. If it is gone, `ray.init` raises a
    RuntimeError that names it.
    """
    return {"_node_ip_address": "127.0.0.1"}


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
    """Ask the control store at `head` for a key; returns where it answers and accepts our token.

    Raises ray.exceptions.AuthenticationError where it does not accept it, and RpcError or ValueError where
    nothing answers within `timeout` seconds. `ray.init` tells these apart no more. If GcsClient is gone, this
    raises ImportError; without the question, `ray.init` fails later with a message that blames the network.
    """
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    GcsClient(address=head).internal_kv_exists(b"", None, timeout=timeout)
