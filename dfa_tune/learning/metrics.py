"""The names of what is measured at each evaluated epoch."""

METRICS = (
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "feedback_alignment",
    "gradient_alignment",
    "gradient_alignment_rows",
    "step_alignment",
)
