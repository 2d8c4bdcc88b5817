"""Any value in any field of a spec, a batch or a list of images: the right result or `ProtocolError`, in bounds.

Fields are replaced by values that overflow, are of another type, or are huge. Bytes are flipped under a digest that is
computed again, as a hostile server would.
"""

import json
import time
import tracemalloc
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgpack
import numpy as np
import pytest

from client import ClientError, DigestMismatchError, ProtocolError, SampleError, ServerUnavailableError
from client.images import ImageInfo
from client.protocol.images import ImagesRequest, images_requests
from client.protocol.requests import IndexRequest, StreamRequest
from client.protocol.session import Delivery, Session
from client.protocol.target import Target
from client.transport.failures import client_errors
from sampler.array_table import MAX_SAMPLE_BYTES, largest_sample
from sampler.arrays import LAYOUTS, Layout
from sampler.kernels.reference import REFERENCE
from sampler.stream.shards import Shard
from sampler.wire.spec import ServiceSpec
from tests.support.scripted_server import SMALL_CORNERNET, SMALL_SACCADE, Asked, ScriptedServer, scripted, sealed

NUMBERS: list[Any] = [
    -1, 0, 1, 20_000, 1 << 31, (1 << 62) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -(1 << 63), 0.5, 1e300,
    float("nan"), float("inf"),
]  # fmt: skip
OTHERS: list[Any] = [
    None, True, False, "", "a", "1", "x" * 300, [], [0], [[]], ["a"] * 100, [[1, 2]] * 100, {}, {"a": 1},
    {"a": {"b": []}},
]  # fmt: skip
JSON_ONLY: list[Any] = [1 << 200, -(1 << 200), ["x"] * 200_000]
BINARY_ONLY: list[Any] = [b"", b"\0" * 7]
HUGE: list[Any] = ["x" * 2_000_000, *JSON_ONLY]

MEMORY = 64 << 20
CPU_SECONDS = 5

THIRDS = 3
"""Each field gets one value in this many, and the next field the next ones: `make fuzz` tries many more."""

CHANGED_ARRAYS = {"compact": ("crop", "boxes"), "sparse": ("images", "tl_heats_idx"), "dense": ("images",)}
"""One array of fixed shape and one of varying length: all others are checked like these."""


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted(SMALL_SACCADE) as running:
        yield running


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside a document; of long lists, of the first two."""
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, below in inside:
        yield (*path, key)
        yield from places(below, (*path, key))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a path; the rest is shared."""
    if not path:
        return value
    changed = document.copy()
    changed[path[0]] = replaced(document[path[0]], path[1:], value)
    return changed


def without(document: Any, path: tuple[Any, ...]) -> Any:
    changed = document.copy()
    if len(path) == 1:
        del changed[path[0]]
    else:
        changed[path[0]] = without(document[path[0]], path[1:])
    return changed


def share(values: Sequence[Any], number: int) -> Sequence[Any]:
    """The values that the field with this number gets."""
    return values[number % THIRDS :: THIRDS]


@contextmanager
def bounded() -> Iterator[None]:
    """Fail if the block takes too much memory or time, or warns."""
    tracemalloc.start()
    begun = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MEMORY, f"{peak:,} bytes"
        assert time.process_time() - begun < CPU_SECONDS


def check_message(error: ClientError, start: str = "") -> None:
    assert str(error).startswith(start)
    assert len(str(error)) < 4000
    assert str(error).isprintable()


# --- specs ---


def use(spec: ServiceSpec) -> None:
    """What a client does with a spec before it receives a batch."""
    assert largest_sample("dense", spec.config, spec.categories) <= MAX_SAMPLE_BYTES
    target = Target("http://host", spec.digest, spec.pixels, spec.dataset_name, spec.substitutes)
    for request in (StreamRequest(seed=3, start=1, stop=4, shard=Shard(3)), IndexRequest(indices=(0,))):
        assert len(request.exchange(target).url) < 100_000
        keys = next(request.batch_keys(spec.size))
        assert all(0 <= key.index < spec.size for key in keys)
        Delivery(request, spec, target).start()
    assert len(list(images_requests([0], spec))) == 1


def check_spec(document: Any) -> bool:
    """Whether a spec is accepted."""
    body = json.dumps(document).encode()
    session = Session("http://host", "compact")
    exchange = session.spec_exchange()
    try:
        with bounded(), client_errors(exchange):
            spec = session.pin(body, exchange)
    except ProtocolError as error:
        check_message(error, "GET http://host/v1/spec: ")
        return False
    with bounded():
        use(spec)
    return True


def test_any_value_in_any_field_of_a_spec(server: ScriptedServer) -> None:
    document = json.loads(json.dumps(server.spec.as_dict()))
    del document["arrays"]  # which a client does not read
    assert check_spec(document)
    accepted = []
    for number, path in enumerate(places(document)):
        accepted += [check_spec(replaced(document, path, value)) for value in share((*NUMBERS, *OTHERS), number)]
        check_spec(without(document, path))
    assert 30 < sum(accepted) < len(accepted) / 2  # texts and counts may have other values


def test_huge_values_in_a_spec(server: ScriptedServer) -> None:
    document = json.loads(json.dumps(server.spec.as_dict()))
    del document["arrays"]
    for number, path in enumerate(path for path in places(document) if path[-1] not in range(1, 10)):
        for value in share(HUGE, number):
            accepted = check_spec(replaced(document, path, value))
            assert not accepted or path in (("version",), ("sampler_version",), ("datasets",), ("config", "name"))


@pytest.mark.parametrize("count", [16_385, 20_000, 200_000])
def test_more_categories_than_any_dataset_has_are_refused(server: ScriptedServer, count: int) -> None:
    document = json.loads(json.dumps(server.spec.as_dict()))
    document["dataset"] |= {"categories": ["x"] * count, "category_ids": [], "supercategories": []}
    assert not check_spec(document)
    document["dataset"]["categories"] = ["x"] * 3
    document["config"]["categories"] = count
    assert not check_spec(document)


@pytest.mark.parametrize(
    ("output", "categories", "accepted"),
    [(64, 1_203, True), (128, 1_203, True), (128, 365, True), (64, 16_000, True), (128, 16_384, False),
     (1_024, 80, True), (4_096, 80, False)],
)  # fmt: skip
def test_the_product_of_sides_and_categories_is_bounded(output: int, categories: int, accepted: bool) -> None:
    with scripted(SMALL_CORNERNET) as server:
        document = json.loads(json.dumps(server.spec.as_dict()))
    document["config"] |= {"input_size": [4096, 4096], "output_size": [output, output], "gaussian_radius": 3}
    document["config"]["rand_scales"] = [1.0]
    document["dataset"] |= {"categories": ["x"] * categories, "category_ids": [], "supercategories": []}
    assert check_spec(document) == accepted


@pytest.mark.parametrize("change", [{"gaussian_radius": 4096}, {"gaussian_iou": 1e-9, "output_size": [2048, 2048]}])
def test_bumps_that_would_fill_memory_are_refused(change: dict[str, Any]) -> None:
    with scripted(SMALL_CORNERNET) as server:
        document = json.loads(json.dumps(server.spec.as_dict()))
    document["config"] |= {"input_size": [4096, 4096], "rand_scales": [1.0]} | change
    assert not check_spec(document)


def test_a_deep_spec_is_a_protocol_error(server: ScriptedServer) -> None:
    for depth in (100, 500, 900, 990, 5_000, 100_000):
        deep = "[" * depth + "]" * depth
        for field in ("config", "rand_scales", "categories"):
            body = json.dumps(server.spec.as_dict()).replace(f'"{field}": ', f'"{field}": {deep}, "was": ', 1)
            session = Session("http://host", "compact")
            exchange = session.spec_exchange()
            with pytest.raises(ProtocolError), bounded(), client_errors(exchange):
                session.pin(body.encode(), exchange)


# --- batches ---


def messages(server: ScriptedServer, layout: Layout) -> list[bytes]:
    params = {"seed": "7", "epoch": "0", "indices": "3,1", "layout": layout, "augment": "true"}
    [made] = server.batches(Asked("GET", "/v1/batches", params, {}))
    return made[:-1]


def receive(server: ScriptedServer, layout: Layout, body: bytes) -> bool:
    """Receive and render a batch; whether it is accepted."""
    target = Target(server.url, server.spec.digest)
    delivery = Delivery(IndexRequest(indices=(3, 1), seed=7, layout=layout), server.spec, target)
    delivery.start()
    try:
        with bounded(), client_errors(delivery.exchange):
            delivery.feed(body)
            packed = delivery.take()
            if packed is None:
                delivery.end()
            assert packed is not None
    except (ProtocolError, SampleError, DigestMismatchError, ServerUnavailableError) as error:
        check_message(error)
        return False
    with bounded():
        batch = packed.render()
        packed.render(kernels=REFERENCE)
        json.dumps([recipe.as_dict() for recipe in batch.recipes])
        assert batch.untagged.dtype == np.int64
    if layout == "compact":
        torch_rendering = pytest.importorskip("client.torch_rendering")
        torch = pytest.importorskip("torch")
        compact = packed.compact()
        torch_rendering.render_tensors(
            torch.from_numpy(compact.crops.copy()), compact.colours.copy(), compact.boxes, compact.objects,
            compact.starts, server.spec.config, server.spec.categories,
        )  # fmt: skip
    return True


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_value_in_any_field_of_a_batch(server: ScriptedServer, layout: Layout) -> None:
    unpacked = [msgpack.unpackb(message) for message in messages(server, layout)]
    packed = [msgpack.packb(message) for message in unpacked]
    assert receive(server, layout, b"".join(sealed(packed)))
    for turn, (number, *path) in enumerate(places(unpacked[:2])):
        if path[:1] == ["arrays"] and len(path) > 2 and path[1] not in CHANGED_ARRAYS[layout]:
            continue
        for value in share((*NUMBERS, *OTHERS, *BINARY_ONLY), turn):
            changed = replaced(unpacked[number], tuple(path), value)
            others = packed[:number], packed[number + 1 :]
            receive(server, layout, b"".join(sealed([*others[0], msgpack.packb(changed), *others[1]])))


def test_huge_values_in_a_batch(server: ScriptedServer) -> None:
    unpacked = [msgpack.unpackb(message) for message in messages(server, "compact")]
    for path in places(unpacked[:2]):
        for value in ("x" * 2_000_000, b"\xff" * 2_000_000):
            changed = replaced(unpacked, path, value)
            assert not receive(server, "compact", b"".join(sealed([msgpack.packb(message) for message in changed])))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_number_in_any_array_of_a_batch(server: ScriptedServer, layout: Layout) -> None:
    unpacked = [msgpack.unpackb(message) for message in messages(server, layout)]
    for name, array in unpacked[1]["arrays"].items():
        dtype, count = np.dtype(array[b"type"]), len(array[b"data"]) // np.dtype(array[b"type"]).itemsize
        kinds = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
        values = [kinds.min, kinds.max, 0, 1, 2] + [np.nan, np.inf, -1, 1e-40] * (dtype.kind == "f")
        for value in values:
            for some in (slice(None), slice(0, 1), slice(1, None, 5)):
                data = np.frombuffer(array[b"data"], dtype, count).copy()
                data[some] = value
                changed = replaced(unpacked, (1, "arrays", name, b"data"), data.tobytes())
                receive(server, layout, b"".join(sealed([msgpack.packb(message) for message in changed])))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_flipped_bytes_under_a_fitting_digest(server: ScriptedServer, layout: Layout) -> None:
    honest, random = messages(server, layout), np.random.default_rng(5)
    small = [
        place
        for number, message in enumerate(honest)
        for place in [(number, at) for at in range(min(400, len(message)))]
    ]
    chosen = [small[at] for at in random.permutation(len(small))[:150]]
    chosen += [(1, int(random.integers(len(honest[1])))) for _ in range(50)]
    for number, at in chosen:
        changed = list(honest)
        damaged = bytearray(changed[number])
        damaged[at] ^= int(random.integers(1, 256))
        changed[number] = bytes(damaged)
        receive(server, layout, b"".join(sealed(changed)))


@pytest.mark.parametrize("rows", [(1 << 16) + 1, 1 << 24, (1 << 31) - 1, 1 << 32])
def test_an_array_that_claims_rows_takes_memory_only_as_they_arrive(server: ScriptedServer, rows: int) -> None:
    unpacked = [msgpack.unpackb(message) for message in messages(server, "sparse")]
    body = b"".join(msgpack.packb(message) for message in unpacked)
    name = msgpack.packb("tl_heats_idx")
    start = body.index(name) + len(name)
    end = body.index(b"\xc4\x04data", start) + 6
    claim = msgpack.packb({b"nd": True, b"type": "<i4", b"kind": b"", b"shape": [rows, 3]})
    size = min(12 * rows, (1 << 32) - 1)
    damaged = body[:start] + b"\x85" + claim[1:] + b"\xc4\x04data\xc6" + size.to_bytes(4, "big") + body[end + 3 :]
    assert not receive(server, "sparse", damaged)


def test_nested_lists_take_memory_in_proportion_to_their_bytes(server: ScriptedServer) -> None:
    lists = b"\xdc\x03\xff" + b"\x90" * 1023
    body = messages(server, "compact")[0] + b"\x86" + b"\xa4type" + (b"\xdc\x03\xff" + lists * 1023)
    assert not receive(server, "compact", body)


# --- images ---


def test_any_value_in_any_field_of_a_list_of_images(server: ScriptedServer) -> None:
    request = ImagesRequest((1, 2))
    document = {"images": [server.image(1), server.image(2)]}
    for path in places(document):
        for value in (*NUMBERS, *OTHERS, *JSON_ONLY):
            exchange = request.exchange(Target("http://host", "d"))
            body = json.dumps(replaced(document, path, value)).encode()
            try:
                with bounded():
                    images = request.parse(body, exchange)
            except ProtocolError as error:
                check_message(error)
            else:
                assert all(isinstance(image, ImageInfo) for image in images)


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"1,", b'"",'])
def test_a_list_of_images_that_would_fill_memory_is_refused(piece: bytes) -> None:
    request = ImagesRequest((1,))
    body = b'{"images": [' + piece * 1_000_000 + b"0]}"
    with pytest.raises(ProtocolError, match=r"[12]000002 values"), bounded():
        request.parse(body, request.exchange(Target("http://host", "d")))
