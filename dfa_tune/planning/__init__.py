"""Planning: which trials a search space means, and what is known of them so far."""
