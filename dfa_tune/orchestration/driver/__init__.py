"""The driver: one `Tuner.fit()` over everything that is not done yet."""
