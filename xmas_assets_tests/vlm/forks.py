"""How many processes this one has started by forking, as it does for each run of a chat template."""

import os

_STARTED: list[int] = []
os.register_at_fork(before=lambda: _STARTED.append(1))


def n_forks() -> int:
    return len(_STARTED)
