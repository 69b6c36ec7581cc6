"""DFA with a ternary error, and Signum, for dfa-tune."""
