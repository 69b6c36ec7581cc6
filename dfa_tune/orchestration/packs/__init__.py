"""Packs of trials: how large they are, how much memory and time they take, and where they are trained."""
