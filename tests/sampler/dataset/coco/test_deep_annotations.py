"""Annotation files with deeply nested JSON: one line instead of a traceback."""

import io
import json
from collections.abc import Callable

import pytest

from sampler.dataset.coco.annotations import parse_annotations, read_annotations
from sampler.errors import AnnotationError
from tests.support.coco_files import small_coco

DEPTH = 100_000
DEEP = {"arrays": "[" * DEPTH + "]" * DEPTH, "objects": '{"a":' * DEPTH + "1" + "}" * DEPTH}


def next_to(deep: str) -> str:
    """In a value that samples do not depend on."""
    return json.dumps(small_coco())[:-1] + f', "info": {deep}}}'


def within(deep: str) -> str:
    """In an annotation."""
    return json.dumps(small_coco()).replace('"bbox":', f'"segmentation": {deep}, "bbox":', 1)


def after_nan(deep: str) -> str:
    """Behind a number that is no JSON, which is mended before a second parse."""
    return json.dumps(small_coco())[:-1] + f', "nan": NaN, "info": {deep}}}'


@pytest.mark.parametrize("deep", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("place", [next_to, within, after_nan])
@pytest.mark.parametrize("block", [7_000, 1 << 20, None], ids=["pieces", "one piece", "whole"])
def test_json_nested_too_deeply_is_one_line(place: Callable[[str], str], deep: str, block: int | None) -> None:
    data = place(deep).encode()
    with pytest.raises(AnnotationError) as caught:
        parse_annotations(data, "x.json") if block is None else read_annotations(io.BytesIO(data), "x.json", block)
    assert str(caught.value) == "x.json: not COCO format: nested too deeply"


def test_moderate_nesting_is_accepted() -> None:
    data = within("[" * 100 + "]" * 100).encode()
    assert len(parse_annotations(data, "x.json").boxes) == len(read_annotations(io.BytesIO(data), "x.json").boxes)
