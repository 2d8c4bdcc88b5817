"""Annotation files read in pieces: the same columns and errors as read as a whole."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.dataset.coco.annotations import Annotations, parse_annotations, read_annotations
from sampler.dataset.coco.chunked_json import MAX_ELEMENT, IrregularError, read_arrays
from sampler.errors import AnnotationError
from tests.support.coco_files import Entry, box_entry, category_entry, coco, image_entry, small_coco

ARRAYS = ("image_ids", "sizes", "category_ids", "boxes", "box_image_ids", "box_category_ids", "annotation_ids", "crowd")


def outcome(read: Callable[[], Annotations]) -> object:
    """Everything that a reader makes of a file: its columns to the last bit, or its error."""
    try:
        columns = read()
    except AnnotationError as error:
        return error.file, error.place, error.cause
    arrays = [(array.dtype.str, array.shape, array.tobytes()) for array in (getattr(columns, name) for name in ARRAYS)]
    return arrays, columns.file_names, columns.category_names, columns.left_out


def in_pieces(data: bytes, block: int) -> object:
    return outcome(lambda: read_annotations(io.BytesIO(data), "x.json", block))


def whole(data: bytes) -> object:
    return outcome(lambda: parse_annotations(data, "x.json"))


def pieces(data: bytes, block: int, keys: tuple[str, ...] = ("a",)) -> dict[str, list[Any]]:
    """The elements of some arrays, as they come. Raises IrregularError."""
    raw: dict[str, list[msgspec.Raw]] = {key: [] for key in keys}
    decoder = msgspec.json.Decoder(list[msgspec.Raw])
    read_arrays(io.BytesIO(data).read, {key: (decoder, raw[key].extend) for key in keys}, block)
    return {key: [json.loads(bytes(element)) for element in raw[key]] for key in keys}


TEXTS = st.sampled_from(["}, {", '"}, {"', "],[", "\\", '\\"}', "é写", "NaN", "", "{[", "}]}", '"a": [']) | st.text()
NESTED = st.recursive(
    TEXTS | st.integers(-9, 9) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NUMBERS = st.sampled_from([1, 2.5, 30, 1e9, 0, -3, None, 0.1, 7, float("nan")])
BOXES = st.none() | st.lists(NUMBERS, min_size=4, max_size=4) | st.lists(NUMBERS, max_size=5)
OUTLINES = st.sampled_from([[[5, 10, 25, 10, 25, 30, 5, 30]], {"size": [48, 64], "counts": [100, 2972]}, "x", []])
BREAKAGES: st.SearchStrategy[tuple[str, str, Any]] = st.sampled_from(["annotations", "images", "categories"]).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.sampled_from(["id", "image_id", "category_id", "bbox", "file_name", "width", "name", "iscrowd"]),
        st.sampled_from([None, "text", -7, 2**63, 1, [1], [[]], float("nan"), 2.5, "../a.jpg"]),
    )
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Annotation files that are sound or nearly so, with much in them that nobody asks for."""
    images = [image_entry(n, more=draw(NESTED)) for n in range(draw(st.integers(0, 4)))]
    annotations = []
    for n in range(draw(st.integers(0, 6))):
        entry = box_entry(n, draw(st.integers(0, 3)), draw(st.integers(1, 2)), draw(BOXES), caption=draw(NESTED))
        if draw(st.booleans()):
            entry["segmentation"] = draw(OUTLINES)
        annotations.append(dict(draw(st.permutations(list(entry.items())))))
    content = coco(images, annotations, [category_entry(1), category_entry(2)])
    content |= draw(st.dictionaries(TEXTS, NESTED, max_size=3))
    broken = draw(st.none() | BREAKAGES)
    if broken and isinstance(content.get(broken[0]), list) and content[broken[0]]:
        draw(st.sampled_from(content[broken[0]]))[broken[1]] = broken[2]
    ordered = dict(draw(st.permutations(list(content.items()))))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]))
    indent = draw(st.sampled_from([None, 0, 3]))
    text = json.dumps(ordered, ensure_ascii=draw(st.booleans()), indent=indent, separators=separators)
    return text.encode(errors="surrogatepass")


@given(files(), st.integers(1, 700))
def test_a_file_read_in_pieces_gives_the_columns_and_errors_of_the_whole(data: bytes, block: int) -> None:
    assert in_pieces(data, block) == whole(data)


@given(files(), st.integers(1, 300), st.data())
def test_a_damaged_file_gets_the_same_error_either_way(data: bytes, block: int, how: st.DataObject) -> None:
    place = how.draw(st.integers(0, len(data)))
    length = how.draw(st.sampled_from([0, 1, 3, len(data)]))
    inserted = how.draw(
        st.sampled_from([b"", b"x", b"\xff", b"\xef\xbb\xbf", *(bytes([mark]) for mark in b',[]{}"\\')])
    )
    damaged = data[:place] + inserted + data[place + length :]
    assert in_pieces(damaged, block) == whole(damaged)


@pytest.mark.parametrize("block", range(1, 60))
def test_a_block_may_end_anywhere(block: int) -> None:
    elements = [{"x": "}, {"}, {"y": [{"}": 1}, {"z": '\\"}, {'}]}, {}, {"w": [[1, 2], []]}, {"v": "é"}]
    data = json.dumps({"b": 'a": [', "a": elements, "c": [1, "]", [2], None], "d": {"a": [{}, {}]}, "e": -1.5}).encode()
    assert pieces(data, block) == {"a": elements}


def test_elements_come_in_several_pieces_and_each_is_decoded_once() -> None:
    pieces: list[list[dict[str, int]]] = []
    elements = [{"n": n} for n in range(2000)]
    decoder = msgspec.json.Decoder(list[dict[str, int]])
    read_arrays(io.BytesIO(json.dumps({"a": elements}).encode()).read, {"a": (decoder, pieces.append)}, 1000)
    assert len(pieces) > 10
    assert max(map(len, pieces)) < 300
    assert [element for piece in pieces for element in piece] == elements


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [{}], "a": [{}]}',
        '{"a": [{}, ]}',
        '{"a": [{} {}]}',
        '{"a": [{}]} x',
        '{"a": [{}]',
        '{"a": {}}',
        '{"a": null}',
        '{"b": [{}]}',
        '{"a": [{}],}',
        '{"a": [{]}]}',
        '{"a": [{}}',
        '{"a": [{}], "b": }',
        '{"a": [{}], "b": tru}',
        '{"a": [{}], "b": {"c": [}}',
        '{"a": [{}], b: 1}',
        '{"\\u0061": [{}]}',
        '["a", [{}]]',
        "{}",
        "",
    ],
)
def test_irregular_files_are_left_to_the_whole_file_parser(text: str) -> None:
    for block in (1, 4, 1000):
        with pytest.raises(IrregularError):
            pieces(text.encode(), block)


def test_very_large_elements_are_left_to_the_whole_file_parser() -> None:
    with pytest.raises(IrregularError):
        pieces(b'{"a": [{"x": "' + b"y" * (3 * MAX_ELEMENT) + b'"}]}', 1 << 20)


def test_a_repeated_key_is_read_as_by_the_whole_file_parser() -> None:
    twice = json.dumps(small_coco())[:-1] + ', "categories": [{"id": 1, "name": "other"}]}'
    assert in_pieces(twice.encode(), 50) == whole(twice.encode())


def test_a_segmentation_is_kept_apart_from_the_text_around_it() -> None:
    entries = [box_entry(n, 1, 1, None, segmentation=[[5, 10, 25, 10, 25, 30, 5, 30]]) for n in range(50)]
    data = json.dumps(coco([image_entry(1)], entries, [category_entry(1)])).encode()
    columns = read_annotations(io.BytesIO(data), "x", 512)
    assert np.array_equal(columns.boxes, [[5, 10, 20, 20]] * 50)


@pytest.mark.parametrize("fault", [{"file_name": "/etc/passwd"}, {"file_name": ""}, {"width": 0}])
def test_the_first_of_several_faulty_images_is_named_however_the_file_is_read(fault: Entry) -> None:
    content = small_coco()
    content["images"][1].update(fault)
    content["images"][2].update(width=0, file_name="/etc/passwd")
    data = json.dumps(content).encode()
    assert "$.images[1]" in str(whole(data))
    assert [in_pieces(data, block) for block in (1, 100, 1 << 20)] == [whole(data)] * 3


def test_images_may_come_after_the_annotations_that_need_their_sizes(tmp_path: Path) -> None:
    content: Entry = small_coco()
    content["annotations"][0] = box_entry(5, 30, 90, None, segmentation={"size": [48, 64], "counts": [100, 2972]})
    turned = json.dumps({key: content[key] for key in ("annotations", "categories", "images", "info")}).encode()
    assert in_pieces(turned, 64) == whole(json.dumps(content).encode())
