"""Rank and world size of a training that torchrun has started."""

import logging
import os
import sys
from functools import cache

from client.errors import RequestRefusedError
from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.stream.shards import STEP_LIMIT

log = logging.getLogger("saccade_client")

RANK, WORLD_SIZE = "RANK", "WORLD_SIZE"
"""The variables that torchrun sets for each process."""

RUN_ID = "TORCHELASTIC_RUN_ID"
"""A variable that torchrun sets too. A job scheduler or a shell may set the others for a process that is alone."""

MOST_DIGITS = 9

REMEDY = "give the loader rank= and world_size="


def rank_and_world_size(rank: int | None, world_size: int | None, batch_size: int) -> tuple[int, int]:
    """Return rank and world size as given; otherwise those of torchrun's variables, or 0 and 1 without them.

    The values are those of RANK and WORLD_SIZE only. Their first use in a process is logged.

    Args:
        rank: None if not given.
        world_size: None if not given.
        batch_size: of all ranks together.

    Raises:
        InvalidRequestError: only one of both is given, or the values of the variables are not those of a rank.
        RequestRefusedError: only one of the variables is set.
    """
    if rank is not None and world_size is not None:
        return rank, world_size
    neither = f"or neither, for those of torchrun's variables {RANK} and {WORLD_SIZE}"
    if rank is not None:
        raise InvalidRequestError("world_size", None, f"the number of ranks, because rank = {rank} is given; {neither}")
    if world_size is not None:
        raise InvalidRequestError("rank", None, f"a rank, because world_size = {world_size} is given; {neither}")
    return _from_environment(batch_size)


def _from_environment(batch_size: int) -> tuple[int, int]:
    if RANK not in os.environ and WORLD_SIZE not in os.environ:
        return 0, 1
    world_size = _integer(WORLD_SIZE, low=1, other=RANK)
    rank = _integer(RANK, low=0, other=WORLD_SIZE)
    if rank >= world_size:
        raise InvalidRequestError(RANK, rank, f"less than {WORLD_SIZE} = {world_size}; or {REMEDY}")
    batch_size = require_integer("batch_size", batch_size, 1, STEP_LIMIT)
    if world_size > batch_size:
        raise InvalidRequestError(WORLD_SIZE, world_size, f"at most batch_size = {batch_size}; or {REMEDY}")
    _log_once(rank, world_size)
    return rank, world_size


def _integer(name: str, *, low: int, other: str) -> int:
    """Return the value of a variable of the environment, which must be set because the other one is."""
    text = os.environ.get(name)
    if text is None:
        raise RequestRefusedError(f"{name} is not set, but {other} is: set both, or {REMEDY}")
    plain = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    if not plain or int(text) < low:
        raise InvalidRequestError(name, text, f"an integer of at least {low}, as torchrun sets it; or {REMEDY}")
    return int(text)


@cache
def _log_once(rank: int, world_size: int) -> None:
    """Log where both come from. A training may make several loaders, such as one for validation."""
    text = "rank %d of %d, from torchrun's variables %s and %s"
    if not _has_other_ranks():
        alone = f"{text}; if this process is alone, unset them or pass rank=0, world_size=1"
        log.warning(alone, rank, world_size, RANK, WORLD_SIZE)
        return
    # Without any setup of logging, only warnings are shown. One rank's is enough.
    level = logging.WARNING if rank == 0 else logging.INFO
    log.log(level, text, rank, world_size, RANK, WORLD_SIZE)


def _has_other_ranks() -> bool:
    """Return whether torchrun has started this process, or torch.distributed is initialised in it."""
    if RUN_ID in os.environ:
        return True
    distributed = sys.modules.get("torch.distributed")  # never imported here
    return distributed is not None and distributed.is_available() and distributed.is_initialized()
