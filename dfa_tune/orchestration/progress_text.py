"""Durations as text. A module of its own, so that `plan` needs no Ray."""


def clock(seconds: float) -> str:
    """1:05 or 2:03:45."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
