"""Parameters of the page become a config whose samples cost no more than a known amount, or errors at their fields."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.errors import InvalidRequestError
from sampler.families.registry import register_family
from service.explorer.config_changes.changes import Changes, file_name, read_changes
from service.explorer.config_changes.fields import LARGEST_SCALE, SCALE_FIELDS, fields_of
from tests.support import toy_family

SACCADE, CORNERNET = PRESETS["cornernet_saccade"], PRESETS["cornernet"]
LISTED = dataclasses.replace(SACCADE, rand_scales=(0.5, 0.6, 0.7999999999999999))


def errors(served: SamplerConfig, **given: str) -> dict[str, str]:
    changes = read_changes(served, given)
    assert (changes.config is None) == bool(changes.errors)
    return dict(changes.errors)


def config(served: SamplerConfig, **given: str) -> SamplerConfig:
    changes = read_changes(served, given)
    assert changes.config is not None, changes.errors
    return changes.config


@pytest.mark.parametrize("served", [*PRESETS.values(), LISTED], ids=[*PRESETS, "listed"])
def test_without_changes_and_with_the_forms_own_texts_the_config_is_the_served_one(served: SamplerConfig) -> None:
    changes = read_changes(served, {})
    assert changes.config == served
    assert changes.changed == ()
    again = read_changes(served, {name: text for name, text in changes.texts.items() if text})
    assert again == changes


def test_a_change_is_in_the_config_and_in_the_link_and_nothing_else_is() -> None:
    changes = read_changes(SACCADE, {"min_scale": "32", "gaussian_iou": "0.30", "rand_center": "false", "jitter": ""})
    expected = dataclasses.replace(SACCADE, min_scale=32, gaussian_iou=0.3, rand_center=False)
    assert changes.config == expected
    assert changes.parameters == {"rand_center": "false", "min_scale": "32", "gaussian_iou": "0.3"}


def test_a_family_has_the_fields_that_its_samples_depend_on() -> None:
    saccade, cornernet = ({field.name for field in fields_of(served)} for served in (SACCADE, CORNERNET))
    assert {"min_scale", "rand_crop", "rand_center", "att_from_2"} <= saccade - cornernet
    assert {"border", "rand_color", "lighting", "gaussian_bump"} <= cornernet - saccade
    assert "rand_crop" not in cornernet  # it cannot be off
    register_family(toy_family.PATH)
    assert {"gaussian_radius", *SCALE_FIELDS} - {
        field.name for field in fields_of(toy_family.FAMILY.presets[0])
    } == set()


def test_scales_are_a_range_or_a_list_and_the_list_wins() -> None:
    assert config(SACCADE, rand_scale_min="0.25", rand_scale_max="1", rand_scale_step="0.25").rand_scales == (
        0.25, 0.5, 0.75,
    )  # fmt: skip
    listed = read_changes(SACCADE, {"rand_scales": "1, 2;3", "rand_scale_min": "0.25"})
    assert listed.config is not None
    assert listed.config.rand_scales == (1.0, 2.0, 3.0)
    assert listed.texts["rand_scale_min"] == ""
    assert listed.parameters == {"rand_scales": "1, 2, 3"}
    ranged = read_changes(LISTED, {"rand_scale_min": "0.5", "rand_scale_max": "1.5", "rand_scale_step": "0.5"})
    assert ranged.config is not None
    assert ranged.config.rand_scales == (0.5, 1.0)
    assert read_changes(LISTED, ranged.parameters) == ranged


def test_scales_are_reset_together_and_count_once_if_they_are_a_list() -> None:
    listed = read_changes(SACCADE, {"rand_scales": "1, 2", "min_scale": "32"})
    assert listed.changed == ("rand_scales", "min_scale")
    assert listed.without("rand_scales") == {"min_scale": "32"}
    ranged = read_changes(LISTED, {"rand_scale_min": "0.5", "rand_scale_max": "1.5", "rand_scale_step": "0.5"})
    assert ranged.changed == SCALE_FIELDS
    assert ranged.without("rand_scale_max") == {}


def test_a_part_of_a_range_keeps_the_other_parts() -> None:
    assert config(SACCADE, rand_scale_min="0.9").rand_scales[0] == 0.9
    assert list(errors(LISTED, rand_scale_min="0.9")) == ["rand_scale_max", "rand_scale_step"]


def test_attention_maps_change_their_ranges_and_cover_the_input_in_any_size() -> None:
    changed = config(SACCADE, att_from_0="64", att_to_0="200", att_size_1="20")
    assert [(one.size, one.ratio, one.longest) for one in changed.attention] == [
        ((16, 16), 16, (64, 200)), ((20, 20), 13, (32, 96)), ((64, 64), 4, (0, 32)),
    ]  # fmt: skip
    smaller = config(SACCADE, input_size="128", output_size="32")
    assert (smaller.input_size, smaller.output_size) == ((128, 128), (32, 32))
    assert smaller.attention == SACCADE.attention


@pytest.mark.parametrize(("given", "expected"), [
    ({"gaussian_iou": "NaN"}, "gaussian_iou = 'NaN': expected a number from 0.01 to 0.99"),
    ({"gaussian_iou": "inf"}, "gaussian_iou = 'inf': expected a number"),
    ({"gaussian_iou": "1e999"}, "gaussian_iou = '1e999': expected a number"),
    ({"gaussian_iou": "a lot"}, "gaussian_iou = 'a lot': expected a number"),
    ({"min_scale": "2.5"}, "min_scale = '2.5': expected an integer from 0 to 255"),
    ({"min_scale": "9" * 900}, "expected an integer from 0 to 255"),
    ({"min_scale": "9" * 5000}, "min_scale: 5000 characters: expected at most 1000"),
    ({"gaussian_radius": "4096"}, "gaussian_radius = '4096': expected an integer from -1 to 64"),
    ({"input_size": "4096"}, "input_size = '4096': expected an integer from 16 to 255"),
    ({"output_size": "128"}, "output_size = '128': expected an integer from 4 to 64"),
    ({"rand_crop": "maybe"}, "rand_crop = 'maybe': expected true or false"),
    ({"rand_scales": "64"}, "rand_scales = '64': expected a number from 0.05 to 4"),
    ({"rand_scales": "1e-300"}, "expected a number from 0.05 to 4"),
    ({"rand_scales": ",".join(["1"] * 400)}, "rand_scales: 400 scales: expected 1 to 64"),
    ({"rand_scales": " , "}, "rand_scales: 0 scales: expected 1 to 64"),
    ({"rand_scale_step": "1e-9"}, "rand_scale_step = '1e-9': expected a number from 0.01 to 1"),
    ({"rand_scale_step": "0"}, "rand_scale_step = '0': expected a number"),
    ({"att_size_0": "4096"}, "att_size_0 = '4096': expected an integer from 1 to 64"),
    ({"max_objects": "65536"}, "max_objects = '65536': expected an integer from 1 to 1024"),
])  # fmt: skip
def test_an_invalid_value_is_refused_at_its_field(given: dict[str, str], expected: str) -> None:
    [field] = given
    found = errors(SACCADE, **given)
    assert list(found) == [field]
    assert expected in found[field]


@pytest.mark.parametrize(("given", "field"), [
    ({"rand_scale_min": "2"}, "rand_scale_min"),
    ({"att_from_1": "99"}, "att_to_1"),
    ({"input_size": "32"}, "output_size"),
])  # fmt: skip
def test_values_that_do_not_go_together_are_refused_at_a_field(given: dict[str, str], field: str) -> None:
    assert list(errors(SACCADE, **given)) == [field]


def test_all_invalid_values_are_reported_at_once() -> None:
    assert list(errors(SACCADE, gaussian_iou="x", min_scale="y")) == ["min_scale", "gaussian_iou"]


@pytest.mark.parametrize("name", ["border", "categories", "mean", "kind", "name", "rand_scale"])
def test_other_parameters_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{name} = '3': expected one of rand_scale_min, "):
        read_changes(SACCADE, {name: "3"})


TEXTS = st.one_of(
    st.sampled_from(["nan", "-inf", "1e308", "-1", "0", "1e-320", "true", "false", "1_0", "٣", "", "\x00", "1,2,3"]),
    st.floats().map(str),
    st.integers().map(str),
    st.lists(st.floats(0, 9).map(str), max_size=80).map(",".join),
    st.text(max_size=20),
)


@pytest.mark.parametrize(("name", "expected"), [
    ("cornernet_saccade", "cornernet_saccade_what_if.json"),
    ("cornernet_saccade_what_if", "cornernet_saccade_what_if.json"),  # an exported file that is served
    ("../größe", "___gr__e_what_if.json"),
    ("_what_if", "config_what_if.json"),
])  # fmt: skip
def test_the_file_has_the_name_of_the_config(name: str, expected: str) -> None:
    assert file_name(dataclasses.replace(SACCADE, name=name)) == expected


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([SACCADE, CORNERNET, LISTED]), st.data())
def test_whatever_is_given_the_config_stays_within_the_served_sizes(served: SamplerConfig, data: st.DataObject) -> None:
    names = st.sampled_from([field.name for field in fields_of(served)])
    given_texts = data.draw(st.dictionaries(names, TEXTS, max_size=4))
    changes: Changes = read_changes(served, given_texts)
    if changes.config is None:
        assert changes.errors
        return
    changed = changes.config
    assert max(changed.input_size) <= max(served.input_size)
    assert max(changed.output_size) <= max(served.output_size)
    assert max(changed.rand_scales) <= LARGEST_SCALE
    assert len(changed.rand_scales) <= 400
    assert changed.gaussian_radius <= max(served.output_size)
    assert all(max(one.size) <= max(served.output_size) for one in changed.attention)
    assert read_changes(served, changes.parameters).config == changed
