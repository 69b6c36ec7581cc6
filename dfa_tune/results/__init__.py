"""The Parquet store of results: schema, publish, read, compact. Neither torch nor Ray is imported here."""

from dfa_tune.results.leases import LeaseInfo, Leases
from dfa_tune.results.provenance import metadata
from dfa_tune.results.store import Store

__all__ = ["LeaseInfo", "Leases", "Store", "metadata"]
