"""What is said of an error in a worker: its cause in one line, and its traceback."""

from __future__ import annotations

import re
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path

from dfa_tune.errors import UserError

REFUSED = "may not train"  # in the error of a worker on a machine with other versions
WORKER_DIED = "its worker died"

# Ray's words, which a test takes from Ray itself. Tune gives a failed trial's error to nobody but its file.
_START = "error raised in its creation task"
_EXIT_DETAIL = re.compile(r"Worker exit detail: (.*)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))


@dataclass(frozen=True)
class WorkerError:
    """Why a worker could not train its pack.

    cause: one line
    traceback: the whole text; "" if there is none
    at_start: the worker could not even start, whatever pack it was to train
    refused: the worker found that its machine may not train
    """

    cause: str
    traceback: str = ""
    at_start: bool = False
    refused: bool = False

    @classmethod
    def of(cls, error: BaseException) -> WorkerError:
        """Of an exception that was raised in training.

        The cause names the line that raised it: the last one that is not of a library, if there is one.
        """
        text = "".join(traceback.format_exception(error))
        message = str(error).strip().splitlines()
        if isinstance(error, UserError):
            return cls(str(error), text)
        cause = ": ".join([type(error).__name__, *message[:1]])
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)] or frames
        where = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
        return cls(cause + where, text)

    @classmethod
    def from_ray(cls, text: str) -> WorkerError:
        """Of what Ray writes when a worker died, or could not start."""
        text = _COLOURS.sub("", text).strip()
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if _START in text:
            return cls(lines[-1], text, at_start=True, refused=REFUSED in text)
        if detail := _EXIT_DETAIL.search(text):
            return cls(f"{WORKER_DIED} ({detail[1].strip().rstrip('.')})", text)
        return cls(lines[-1] if "Traceback" in text or "Error" in text else WORKER_DIED, text)
