"""Packs of trials: how they are cut, what they take, and where they are trained."""
