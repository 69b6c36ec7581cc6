"""Each module is an activation function and its derivative; the file's name is the name in a search space."""
