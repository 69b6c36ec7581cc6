"""Each module is an activation function and its derivative. Its name is the name in a search space."""
