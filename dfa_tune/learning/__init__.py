"""How it is learnt: network, rules, feedback, optimizers, alignments and the training loop."""
