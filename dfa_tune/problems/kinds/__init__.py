"""One module a problem; the module's name is the `problem.kind` of a search space."""
