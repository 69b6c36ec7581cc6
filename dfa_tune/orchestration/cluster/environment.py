"""The environment variables that Ray reads, all of which must be set before Ray is imported."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path

from dfa_tune.errors import UserError

_QUIET = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run`, Ray would rebuild the environment for each worker
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # its CSV, JSON and TensorBoard files are slow
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune swallows the first Ctrl-C
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # its snapshots are not needed: the Parquet files are the state
    "TUNE_WARN_THRESHOLD_S": "10",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
TOKEN_FILE = "~/.ray/auth_token"  # noqa: S105  # Ray's own place for it


def set_quiet() -> None:
    """Keep Ray from printing, and from doing what we do ourselves; what the user has set is kept."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    # In a notebook it asks for ipywidgets while it is imported; our progress needs none
    logging.getLogger("ray.widgets.util").setLevel(logging.CRITICAL)


def set_private() -> None:
    """Make a Ray that starts in this process require a fresh token, and listen on loopback only."""
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    # Otherwise Ray replaces a loopback address by the host's own, and listens on every interface
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    # Ray starts a worker for each core ahead. Tune's have an environment of their own, so that none is used
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
    # If someone kills Ray, end this process instead of waiting a minute for Ray's return
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "15")


def use_token(what: str) -> None:
    """Make Ray's clients in this process present the cluster's token.

    Looks for it where Ray does: RAY_AUTH_TOKEN, the file of RAY_AUTH_TOKEN_PATH, TOKEN_FILE. Does nothing
    where the user has set RAY_AUTH_MODE to something other than "token". Raises UserError, naming `what`,
    where there is no token.
    """
    if os.environ.setdefault("RAY_AUTH_MODE", "token") != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN_FILE).expanduser()
    if not file.is_file():
        raise UserError(
            f"{what}: the cluster's token is not in {file}; copy it there from the machine that started the"
            " cluster, or set RAY_AUTH_TOKEN (a cluster without tokens: RAY_AUTH_MODE=disabled)"
        )
