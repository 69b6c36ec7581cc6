"""Each module is an optimizer: what a step does with a gradient.

The file's name is the name in a search space.
"""
