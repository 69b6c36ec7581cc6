"""Each module is a learning rule: how the errors reach the hidden layers.

The file's name is the name in a search space.
"""
