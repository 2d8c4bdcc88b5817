"""What a server says of itself is read back as the same value, or refused."""

import copy
import json
import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.array_table import array_table
from sampler.arrays import LAYOUTS
from sampler.config.parsing import config_from_dict
from sampler.config.presets import PRESETS
from sampler.errors import ProtocolError
from sampler.wire.messages import PROTOCOL
from sampler.wire.spec import ServiceSpec

NAMES = ("cat", "dög", "")


def spec_of(preset: str) -> ServiceSpec:
    return ServiceSpec("d" * 32, "e" * 32, 17, NAMES, PRESETS[preset], max_batch=256, max_body_bytes=1 << 20)


def served(preset: str = "cornernet_saccade") -> Any:
    return json.loads(json.dumps(spec_of(preset).as_dict()))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_served_spec_is_read_back_as_it_was(preset: str) -> None:
    assert ServiceSpec.parse(served(preset)) == spec_of(preset)
    assert spec_of(preset).categories == 3


@pytest.mark.parametrize("preset", PRESETS)
def test_a_config_travels_through_json_as_it_is(preset: str) -> None:
    assert config_from_dict(json.loads(json.dumps(PRESETS[preset].as_dict()))) == PRESETS[preset]


def test_the_document_lists_the_arrays_of_every_layout() -> None:
    document = served()
    assert document["protocol"] == PROTOCOL
    assert list(document["arrays"]) == list(LAYOUTS)
    for layout in LAYOUTS:
        table = array_table(layout, PRESETS["cornernet_saccade"], 3)
        assert document["arrays"][layout] == json.loads(json.dumps([spec.as_dict() for spec in table]))
        assert all(row["meaning"] for row in document["arrays"][layout])


@pytest.mark.parametrize("document", [None, [], "spec", 3, {}, {"protocol": PROTOCOL}])
def test_what_is_no_spec_is_refused(document: object) -> None:
    with pytest.raises(ProtocolError, match="not a spec document"):
        ServiceSpec.parse(document)


def test_another_protocol_is_refused_by_number() -> None:
    with pytest.raises(ProtocolError, match=f"protocol 99: expected {PROTOCOL}"):
        ServiceSpec.parse({**served(), "protocol": 99})


@pytest.mark.parametrize(("place", "value"), [
    (("config",), None), (("config",), []), (("config",), {}), (("config", "kind"), "corner"),
    (("config", "attention"), 3), (("config", "attention"), [[]]), (("config", "input_size"), [1]),
    (("config", "eigenvectors"), [1, 2, 3]), (("config", "jitter"), float("nan")), (("config", "unknown"), 1),
    (("dataset",), []), (("dataset", "size"), "many"), (("dataset", "size"), float("inf")),
    (("dataset", "categories"), 5), (("limits",), None), (("limits", "max_batch"), None),
])  # fmt: skip
def test_a_spec_with_a_bad_part_is_refused(place: tuple[str, ...], value: object) -> None:
    document = served()
    part = document
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    with pytest.raises(ProtocolError, match="not a spec document"):
        ServiceSpec.parse(document)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(st.text(max_size=5), part, max_size=3)),
    max_leaves=6,
)


@given(st.lists(st.sampled_from(["digest", "dataset", "config", "limits", "protocol"]), min_size=1), JSON, st.data())
def test_a_damaged_spec_is_read_or_refused_and_nothing_else(names: list[str], value: Any, data: st.DataObject) -> None:
    document = copy.deepcopy(served())
    for name in names:
        if isinstance(document[name], dict) and document[name] and data.draw(st.booleans()):
            document[name][data.draw(st.sampled_from(sorted(document[name])))] = value
        else:
            document[name] = value
    try:
        found = ServiceSpec.parse(document)
    except ProtocolError:
        return
    assert isinstance(found, ServiceSpec)


FULL = replace(
    spec_of("cornernet"),
    dataset_name="val",
    datasets=("train", "val"),
    pixels="f" * 32,
    category_ids=(-1, 5, 90),
    supercategories=("animal", None, "thing"),
    boxes=70,
    dropped_boxes=4,
    images_without_boxes=3,
    substitutes=2,
    origins={"border": "file", "keep_crowd": "setting"},
)


def test_everything_about_a_dataset_is_read_back() -> None:
    assert ServiceSpec.parse(json.loads(json.dumps(FULL.as_dict()))) == FULL


def test_the_document_of_an_older_server_has_the_defaults() -> None:
    document = FULL.as_dict()
    for name in ("datasets", "origins"):
        del document[name]
    document["dataset"] = {name: document["dataset"][name] for name in ("digest", "size", "categories")}
    assert ServiceSpec.parse(document) == spec_of("cornernet")


def test_a_spec_can_be_pickled_and_hashed() -> None:
    for spec in (FULL, spec_of("cornernet")):
        parsed = ServiceSpec.parse(spec.as_dict())
        assert pickle.loads(pickle.dumps(spec)) == pickle.loads(pickle.dumps(parsed)) == spec
        assert hash(parsed) == hash(spec)
