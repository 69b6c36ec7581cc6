"""Each module is a feedback initialisation: how the fixed random matrices are drawn.

The file's name is the name in a search space.
"""
