"""The state of a comparison and its URL."""

from dataclasses import replace
from urllib.parse import parse_qs

from service.explorer.compare.state import EPOCHS, CompareState
from service.explorer.sample.layer_choice import layers_of_text
from service.explorer.side_by_side.variants import Variant

STATE = CompareState("val", 5, Variant(7, 30), Variant(7, 31))


def test_a_url_has_what_differs_from_the_default() -> None:
    assert set(parse_qs(STATE.query()[1:])) == {
        "dataset", "index", "left_seed", "left_epoch", "left_augment", "right_seed", "right_epoch", "right_augment",
    }  # fmt: skip
    other = replace(STATE, layers=("input", "tl_heats"), zoom=4, first_epoch=0)
    query = {name: values[0] for name, values in parse_qs(other.query()[1:]).items()}
    assert (query["layers"], query["zoom"], query["first_epoch"]) == ("input,tl_heats", "4", "0")
    assert layers_of_text(query["layers"]) == other.layers


def test_swapping_twice_changes_nothing() -> None:
    assert STATE.swapped().left == STATE.right
    assert STATE.swapped().swapped() == STATE


def test_the_strip_has_the_epoch_of_the_left_side_or_begins_where_it_is_told() -> None:
    assert STATE.strip_start == 24
    assert STATE.strip_start <= STATE.left.epoch < STATE.strip_start + EPOCHS
    assert replace(STATE, first_epoch=7).strip_start == 7
