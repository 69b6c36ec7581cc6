"""The worker's side: training a pack, its checkpoints, its rows."""
