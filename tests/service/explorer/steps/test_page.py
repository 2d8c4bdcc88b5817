"""What the page of a step says, and where its links lead."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from sampler.config.presets import preset
from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard
from sampler.survey.sample_filter import SampleFilter
from sampler.version import VERSION
from sampler.wire.spec import ServiceSpec
from service.explorer.shell.categories import category_choices, category_number
from service.explorer.steps.page import StepLinks, step_values
from service.explorer.steps.parameters import StepParameters, sample_filter
from service.explorer.steps.search import Found, Page, Place

SPEC = ServiceSpec(
    "d" * 32, "", 100, ("cat", "dog", "cat", "7"), preset("cornernet_saccade"), 1024, 1 << 20,
    category_ids=(3, 5, 7, 9), supercategories=("", "", "", ""),
)  # fmt: skip
ROW = {"file_name": "a.jpg"}


def samples(*steps_and_positions: tuple[int, int]) -> tuple[Found, ...]:
    return tuple(
        Found(SampleKey(7, 0, 20 + position), 20 + position, step, position, 4, 1, 0, 0)
        for step, position in steps_and_positions
    )


def values(parameters: StepParameters, page: Page, place: Place, *, filtered: bool = False) -> dict[str, Any]:
    links = StepLinks("/sampler", SPEC, parameters)
    return step_values(links, place, page, [ROW] * len(page.samples), filtered=filtered)


def whole_step(**parameters: Any) -> dict[str, Any]:
    found = Page(samples((3, 0), (3, 1)), 2, 3, Place(4))
    return values(StepParameters(seed=7, batch_size=2, **parameters), found, Place(3))


def query_of(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query))


def test_a_thumbnail_leads_to_its_sample_with_its_place_in_the_stream() -> None:
    tile = whole_step(rank=0, augment=False)["tiles"][1]
    assert urlsplit(tile.link).path == "/sampler/explore/21"
    sample = {"seed": "7", "epoch": "0", "augment": "false"}
    assert query_of(tile.link) == sample | {"step": "3", "batch_size": "2", "rank": "0", "world_size": "1"}
    whole = whole_step(augment=False)["tiles"][1]
    assert query_of(whole.link) == sample | {"step": "3", "batch_size": "2"}
    large = StepParameters(seed=7, batch_size=SPEC.max_batch + 1, augment=False)
    page = values(large, Page(samples((3, 1)), 1, 3, Place(4)), Place(3))
    assert query_of(page["tiles"][0].link) == sample
    pins = {"digest": "d" * 32, "version": VERSION}
    assert query_of(tile.picture) == {"seed": "7", "epoch": "0", "augment": "false"} | pins


def test_rows_are_counted_from_0_within_a_rank() -> None:
    parameters = StepParameters(seed=7, batch_size=4, rank=1, world_size=2)
    page = values(parameters, Page(samples((3, 2), (3, 3)), 2, 3, Place(4)), Place(3))
    assert [tile.position for tile in page["tiles"]] == ["row 0", "row 1"]


def test_the_number_of_ranks_alone_means_the_first_rank_as_elsewhere() -> None:
    parameters = StepParameters(batch_size=8, world_size=4)
    assert (parameters.is_of_one_rank, parameters.shard) == (True, Shard(8, 0, 4))
    tile = whole_step(world_size=2)["tiles"][0]
    assert {name: query_of(tile.link)[name] for name in ("rank", "world_size")} == {"rank": "0", "world_size": "2"}


def test_a_thumbnail_names_the_image_that_a_sample_is_made_from() -> None:
    found = Found(SampleKey(7, 0, 20), 33, 0, 0, 4, 0, 0, 0)
    page = values(StepParameters(), Page((found,), 1, 0, Place(1)), Place(0))
    assert page["tiles"][0].facts == "4 objects, substitute 33"


def test_neighbouring_steps_keep_the_parameters() -> None:
    page = whole_step(augment=False)
    assert page["previous_step"] == "/sampler/steps/2?seed=7&batch_size=2&augment=false"
    assert page["next_step"] == "/sampler/steps/4?seed=7&batch_size=2&augment=false"
    assert page["first_step"] == "/sampler/steps/0?seed=7&batch_size=2&augment=false"
    assert page["onward"] is None


def test_the_first_and_the_last_step_have_one_neighbour() -> None:
    parameters = StepParameters(batch_size=1)
    first = values(parameters, Page(samples((0, 0)), 1, 0, Place(1)), Place(0))
    assert first["previous_step"] is None
    assert first["first_step"] is None
    last = values(parameters, Page(samples((1 << 62, 0)), 1, 1 << 62, None), Place(1 << 62))
    assert last["next_step"] is None


def test_a_page_says_where_in_the_stream_it_is() -> None:
    assert whole_step()["summary"] == "2 samples, at positions 6–7 of the stream, in epoch 0"
    assert [total.text for total in whole_step()["contents"]] == ["8 objects", "2 ignored boxes"]


def test_a_part_of_a_large_step_leads_to_the_next_one() -> None:
    page = values(StepParameters(batch_size=5), Page(samples((3, 2), (3, 3)), 2, 3, Place(3, 4)), Place(3, 2))
    assert page["summary"].startswith("rows 2–3 of 5 samples")
    assert page["onward"] == "/sampler/steps/3?seed=0&batch_size=5&first=4"


def test_a_search_says_what_it_searched_and_goes_on_from_there() -> None:
    parameters = StepParameters(seed=7, category="dog", cut_off=True)
    page = values(parameters, Page(samples((3, 0), (4, 1)), 96, 4, Place(5, 3)), Place(3), filtered=True)
    assert page["summary"] == "2 of 96 samples in steps 3–4 match"
    assert page["onward"] == "/sampler/steps/5?seed=7&batch_size=48&category=dog&cut_off=true&first=3"
    assert page["tiles"][1].position == "step 4 · row 1"
    assert page["tiles"][1].facts == "4 objects, 1 ignored"
    search = query_of(page["tiles"][1].link)["search"]
    assert query_of(f"?{search}") == {
        "step": "3", "seed": "7", "batch_size": "48", "category": "dog", "cut_off": "true",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "text"),
    [((), "None of 4,096 samples in steps 0–85 matches"), (((2, 1),), "1 of 4,096 samples in steps 0–85 matches")],
)
def test_a_search_with_few_matches_is_counted_in_words(found: tuple[tuple[int, int], ...], text: str) -> None:
    page = Page(samples(*found), 4096, 85, Place(85, 16))
    assert values(StepParameters(), page, Place(0), filtered=True)["summary"] == text


def test_each_filter_has_a_chip_that_removes_it() -> None:
    parameters = StepParameters(seed=7, category="dog", min_side=20, untagged=True, first=3)
    page = values(parameters, Page((), 10, 3, None), Place(3, 3), filtered=True)
    assert [chip.label for chip in page["chips"]] == ["category dog", "side of at least 20 px", "untagged object"]
    assert query_of(page["chips"][1].without) == {
        "seed": "7", "batch_size": "48", "category": "dog", "untagged": "true",
    }  # fmt: skip
    assert page["without_filters"] == "/sampler/steps/3?seed=7&batch_size=48"


def test_parameters_become_the_filter() -> None:
    assert not sample_filter(StepParameters(seed=3, first=2, rank=1, world_size=2), SPEC).is_active
    wanted = sample_filter(StepParameters(category="dog", size="small", empty=True, side_below=9.5), SPEC)
    assert wanted == SampleFilter(category=2, size="small", empty=True, side_below=9.5)


def test_a_category_is_known_by_its_name_or_its_id() -> None:
    assert [category_number(SPEC, text) for text in (None, "dog", "5", "cat", "9")] == [None, 2, 2, 1, 4]
    with pytest.raises(InvalidRequestError, match=r"^category = 'bird': expected the name or COCO id"):
        category_number(SPEC, "bird")


def test_categories_whose_name_could_mean_another_one_are_chosen_by_id() -> None:
    choices = category_choices(SPEC)
    assert choices == [("3", "cat (3)"), ("dog", "dog"), ("7", "cat (7)"), ("9", "7 (9)")]
    assert [category_number(SPEC, value) for value, _ in choices] == [1, 2, 3, 4]
