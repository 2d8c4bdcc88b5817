"""The keys that a response to a request must have."""

from itertools import islice

import pytest

from client.protocol.requests import StreamRequest
from sampler.errors import InvalidRequestError
from sampler.stream.shards import STEP_LIMIT, Shard, last_step, step_keys


@pytest.mark.parametrize("start", [0, 5, (1 << 63) // 20 - 8, (1 << 63) // 20 - 1])
@pytest.mark.parametrize("stop", [None, 8])
def test_a_stream_has_the_keys_of_its_steps(start: int, stop: int | None) -> None:
    shard = Shard(20, 1, 3)
    end = None if stop is None else min(start + stop, last_step(shard) + 1)
    count = min(40, last_step(shard) + 1 - start, stop or 40)
    request = StreamRequest(seed=3, start=start, stop=end, shard=shard)
    found = list(islice(request.batch_keys(50), count))
    assert found == [step_keys(50, 3, step, shard) for step in range(start, start + count)]


def test_a_stream_that_starts_at_the_last_step_has_one_batch() -> None:
    request = StreamRequest(seed=0, start=STEP_LIMIT - 1, stop=STEP_LIMIT, shard=Shard(1))
    assert list(request.batch_keys(9)) == [step_keys(9, 0, STEP_LIMIT - 1, Shard(1))]
    assert request.after_next() is None


def test_a_stream_with_a_stop_past_the_last_step_ends_at_the_last_step() -> None:
    shard = Shard(20)
    last = last_step(shard)
    request = StreamRequest(seed=3, start=last - 4, stop=last + 9, shard=shard)
    assert list(islice(request.batch_keys(50), 5)) == [
        step_keys(50, 3, step, shard) for step in range(last - 4, last + 1)
    ]
    assert StreamRequest(seed=3, start=last, stop=last + 9, shard=shard).after_next() is None
    with pytest.raises(InvalidRequestError, match="step = "):
        next(StreamRequest(seed=3, start=last + 1, stop=last + 9, shard=shard).batch_keys(50))
