"""Responses that send the same batch compute its digest together, however they cut it and whichever is ahead."""

import random

from hypothesis import given
from hypothesis import strategies as st

from sampler.wire.messages import PayloadDigest
from service.batches.shared_digest import SharedDigest

BATCH = bytes(range(256)) * 8

CUTS = st.lists(st.integers(0, len(BATCH)), max_size=6).map(sorted)


@given(responses=st.lists(CUTS, min_size=1, max_size=4), order=st.randoms(use_true_random=False))
def test_the_digest_is_that_of_the_whole_batch(responses: list[list[int]], order: random.Random) -> None:
    digest = SharedDigest()
    pieces = [list(zip([0, *cuts], [*cuts, len(BATCH)], strict=True)) for cuts in responses]
    turns = [number for number, cut in enumerate(pieces) for _ in cut]
    order.shuffle(turns)
    for number in turns:
        start, stop = pieces[number].pop(0)
        digest.update(start, memoryview(BATCH)[start:stop])
    assert digest.hexdigest() == PayloadDigest(BATCH).hexdigest()
