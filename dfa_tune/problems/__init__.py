"""Problems: data sets, and what draws arrays of tuples from a seed."""
