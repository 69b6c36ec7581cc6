"""Independent streams of random numbers, each with a name, derived from one seed.

So two rules with one seed differ in the rule alone: drawing more numbers for the feedback changes neither the
data nor the initial weights.
"""

from __future__ import annotations

import hashlib

import numpy as np

STREAMS = ("train", "test", "validation", "labels", "weights", "feedback")


def generator(seed: int, stream: str, *index: int) -> np.random.Generator:
    """The generator of `stream`, one of STREAMS, under `seed`; `index` names a part, as an epoch or a layer.

    Each (seed, stream, index) has a generator of its own, so epoch 7 can be drawn without the six before it.
    """
    if stream not in STREAMS:
        raise ValueError(f"unknown stream {stream!r}; valid: {', '.join(STREAMS)}")
    key = "/".join(map(str, (seed, stream, *index)))
    digest = hashlib.sha256(key.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
