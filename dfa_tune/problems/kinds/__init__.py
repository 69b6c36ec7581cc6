"""Each module is a problem; its name is the `problem.kind` of a search space."""
