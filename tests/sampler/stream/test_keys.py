"""Keys name samples."""

import json

import msgpack
import numpy as np
import pytest

from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey


@pytest.mark.parametrize("field", ["seed", "epoch", "index"])
@pytest.mark.parametrize("value", [-1, 1 << 64, 1.0, "1", None, True, np.int64(-1), np.float64(1)])
def test_a_key_refuses_what_is_no_integer_in_range_by_name(field: str, value: object) -> None:
    words: dict[str, object] = {"seed": 0, "epoch": 0, "index": 0, field: value}
    with pytest.raises(InvalidRequestError, match=f"{field} = .*: expected an integer from 0 to") as caught:
        SampleKey(**words)  # type: ignore[arg-type] # that is the point
    assert (caught.value.field, caught.value.value) == (field, value)


def test_numpys_integers_become_plain_ones() -> None:
    key = SampleKey(np.uint64(1 << 63), np.int8(2), np.int32(3))  # type: ignore[arg-type] # integers all the same
    assert key == SampleKey(1 << 63, 2, 3)
    assert json.loads(json.dumps(key.as_dict())) == msgpack.unpackb(msgpack.packb(key.as_dict()))


def test_keys_sort_by_seed_epoch_and_index() -> None:
    keys = [SampleKey(1, 0, 0), SampleKey(0, 1, 0), SampleKey(0, 0, 1), SampleKey(0, 0, 0)]
    assert sorted(keys) == keys[::-1]
