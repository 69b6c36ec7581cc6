"""How it is learnt: network, rules, feedback, optimizers, alignment and the training loop."""
