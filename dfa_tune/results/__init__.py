"""The Parquet store of results: schema, publishing, reading, maintenance. Without torch or Ray."""

from dfa_tune.results.leases import LeaseInfo, Leases
from dfa_tune.results.provenance import metadata
from dfa_tune.results.store import Store

__all__ = ["LeaseInfo", "Leases", "Store", "metadata"]
