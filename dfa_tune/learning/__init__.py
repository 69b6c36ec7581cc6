"""Training: networks, rules, feedback, optimizers, alignments and the training loop."""
