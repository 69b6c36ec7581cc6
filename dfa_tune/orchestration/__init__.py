"""Who trains what, where: packs, the Ray Tune Trainable, the searcher, the runner; all that imports Ray."""
