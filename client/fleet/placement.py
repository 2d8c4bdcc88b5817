"""Which server gets a request: rendezvous hashing with bounded load.

All clients rank the servers of a key in the same order, so that jobs with the same stream find each other's batches in
the caches. A server that is added or removed moves only the keys that it gets or had.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import xxhash

LOAD_FACTOR = 1.25
"""Most requests in flight at a server, as a multiple of its fair share."""


class Candidate(NamedTuple):
    """A server as placement sees it.

    salt: from `server_salt`. in_flight: requests that the client waits for.
    """

    salt: int
    in_flight: int


def placement_key(digest: str, *place: int) -> bytes:
    """Return the key of a request.

    Args:
        digest: of the dataset.
        place: what identifies the batch, in a fixed order: seed, step, rank, world size.
    """
    return ":".join((digest, *map(str, place))).encode()


def server_salt(url: str) -> int:
    """Return the number that stands for a server in `rank_of`, the same in every process."""
    return xxhash.xxh3_64_intdigest(url.encode())


def rank_of(key: bytes, salt: int) -> int:
    """Return the rank of a server for a key. The server with the highest rank is the first choice."""
    return xxhash.xxh3_64_intdigest(key, seed=salt)


def most_in_flight(requests: int, servers: int) -> int:
    """Return how many of `requests` in flight one of `servers` may have."""
    return math.ceil(LOAD_FACTOR * requests / servers)


def choose(key: bytes, candidates: Iterable[Candidate]) -> int:
    """Return the position of the candidate that gets the next request: the highest rank below the bounded load.

    Raises:
        ValueError: there are no candidates.
    """
    given = list(candidates)
    if len(given) == 1:
        return 0
    bound = most_in_flight(sum(candidate.in_flight for candidate in given) + 1, max(1, len(given)))
    below = (place for place, candidate in enumerate(given) if candidate.in_flight < bound)
    return max(below, key=lambda place: rank_of(key, given[place].salt))
