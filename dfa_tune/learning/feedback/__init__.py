"""Each module is a feedback initialisation: how feedback matrices are drawn. A search space has its name."""
