"""A trainer, until SIGTERM: `python -m tests.soak.trainer URL steady|restarting`. Prints how many steps it took.

A steady trainer has one loader all the time. A restarting one makes, abandons, resumes and kills loaders.
"""

import faulthandler
import json
import os
import random
import signal
import sys
from collections import Counter
from itertools import islice

import client

BATCH = 6


class Stopped(Exception):  # noqa: N818 - no error
    """SIGTERM arrived."""


def _stop(*_: object) -> None:
    raise Stopped


def steady(url: str, counts: Counter[str]) -> None:
    """Take all steps in order from one loader."""
    with client.loader(url, seed=7, batch_size=BATCH, log_every=None) as batches:
        for expected, batch in enumerate(batches):
            assert batch.step == expected, (batch.step, expected)
            counts["steps"] += 1


def restarting(url: str, counts: Counter[str]) -> None:
    """Take steps from one loader after another; each goes on where the one before it was left."""
    rng, step, state = random.Random(8), 0, None
    while True:
        with client.loader(
            url, seed=8, batch_size=BATCH, layout=rng.choice(("dense", "compact")), log_every=None
        ) as batches:
            if state is not None:
                batches.load_state_dict(state)
            for batch in islice(batches, rng.randrange(1, 12)):
                assert batch.step == step, (batch.step, step)
                step += 1
                if rng.random() < 0.1 and batches.process_id is not None:
                    os.kill(batches.process_id, signal.SIGKILL)
                    counts["killed"] += 1
            state = batches.state_dict()
        counts["loaders"] += 1
        counts["steps"] = step


def main(url: str, kind: str) -> None:
    """Train until SIGTERM."""
    counts = Counter[str]()
    faulthandler.register(signal.SIGUSR1)
    signal.signal(signal.SIGTERM, _stop)
    try:
        (steady if kind == "steady" else restarting)(url, counts)
    except Stopped:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
