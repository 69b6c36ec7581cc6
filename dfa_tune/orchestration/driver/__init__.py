"""The driver's side: one `Tuner.fit()` over everything that is not done yet."""
