"""What the page of a step says, and where its links lead."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from sampler.config.presets import preset
from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard
from sampler.survey.sample_filter import SampleFilter
from sampler.version import VERSION
from sampler.wire.spec import ServiceSpec
from service.explorer.shell.categories import category_choices, category_number
from service.explorer.steps.links import StepLinks
from service.explorer.steps.page import step_values
from service.explorer.steps.parameters import StepParameters, sample_filter
from service.explorer.steps.search import StepPage
from service.explorer.steps.stream import StepSample

SPEC = ServiceSpec(
    "d" * 32, "", 100, ("cat", "dog", "cat", "7"), preset("cornernet_saccade"), 1024, 1 << 20,
    category_ids=(3, 5, 7, 9), supercategories=("", "", "", ""),
)  # fmt: skip
ROW = {"file_name": "a.jpg"}


def values(
    parameters: StepParameters,
    found: Sequence[tuple[int, int]],
    start: tuple[int, int] = (3, 0),
    after: tuple[int, int] | None = None,
    *,
    searched: int = 0,
    last_step: int = 3,
) -> dict[str, Any]:
    """Return the values of a page. Places are steps with row numbers."""

    def place(step: int, number: int) -> StreamPlace:
        return StreamPlace(step, parameters.shard, number)

    samples = tuple(
        StepSample(SampleKey(7, 0, 20 + row), place(step, row), 20 + row, 4, 1, 0, 0) for step, row in found
    )
    page = StepPage(samples, searched, last_step, place(*after) if after else None)
    links = StepLinks("/sampler", SPEC, parameters)
    return step_values(links, place(*start), page, [ROW] * len(samples))


def whole_step(**parameters: Any) -> dict[str, Any]:
    return values(StepParameters(seed=7, batch_size=2, **parameters), [(3, 0), (3, 1)], after=(4, 0))


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
    page = values(large, [(3, 1)], after=(4, 0))
    assert query_of(page["tiles"][0].link) == sample
    pins = {"digest": "d" * 32, "version": VERSION}
    assert query_of(tile.picture) == {"seed": "7", "epoch": "0", "augment": "false"} | pins


def test_rows_are_counted_from_0_within_a_rank() -> None:
    parameters = StepParameters(seed=7, batch_size=4, rank=1, world_size=2)
    page = values(parameters, [(3, 0), (3, 1)], after=(4, 0))
    assert [tile.position for tile in page["tiles"]] == ["row\u00a00", "row\u00a01"]


def test_the_number_of_ranks_alone_means_the_first_rank_as_elsewhere() -> None:
    parameters = StepParameters(batch_size=8, world_size=4)
    assert (parameters.is_of_one_rank, parameters.shard) == (True, Shard(8, 0, 4))
    tile = whole_step(world_size=2)["tiles"][0]
    assert {name: query_of(tile.link)[name] for name in ("rank", "world_size")} == {"rank": "0", "world_size": "2"}


def test_a_thumbnail_names_the_image_that_a_sample_is_made_from() -> None:
    parameters = StepParameters()
    place = StreamPlace(0, parameters.shard, 0)
    found = StepPage((StepSample(SampleKey(7, 0, 20), place, 33, 4, 0, 0, 0),), 1, 0, None)
    page = step_values(StepLinks("", SPEC, parameters), place, found, [ROW])
    assert page["tiles"][0].facts == "4 objects, substitute 33"


def test_neighbouring_steps_keep_the_parameters() -> None:
    page = whole_step(augment=False)
    assert page["previous_step"] == "/sampler/steps/2?seed=7&batch_size=2&augment=false"
    assert page["next_step"] == "/sampler/steps/4?seed=7&batch_size=2&augment=false"
    assert page["first_step"] == "/sampler/steps/0?seed=7&batch_size=2&augment=false"
    assert page["onward"] is None


def test_the_first_and_the_last_step_have_one_neighbour() -> None:
    parameters = StepParameters(batch_size=1)
    first = values(parameters, [(0, 0)], (0, 0), (1, 0))
    assert first["previous_step"] is None
    assert first["first_step"] is None
    last = values(parameters, [(1 << 62, 0)], (1 << 62, 0))
    assert last["next_step"] is None


def test_a_page_says_where_in_the_stream_it_is() -> None:
    assert whole_step()["summary"] == "2 samples, at positions 6–7 of the stream, in epoch 0"
    assert [total.text for total in whole_step()["contents"]] == ["8 objects", "2 ignored boxes"]


def test_a_part_of_a_large_step_leads_to_the_next_one() -> None:
    page = values(StepParameters(batch_size=5), [(3, 2), (3, 3)], (3, 2), (3, 4))
    assert page["summary"].startswith("rows 2–3 of 5 samples")
    assert page["onward"] == "/sampler/steps/3?seed=0&batch_size=5&first=4"


def test_a_search_says_what_it_searched_and_goes_on_from_there() -> None:
    parameters = StepParameters(seed=7, category="dog", cut_off=True)
    page = values(parameters, [(3, 0), (4, 1)], after=(5, 3), searched=96, last_step=4)
    assert page["summary"] == "2 of 96 samples in steps 3–4 match"
    assert page["onward"] == "/sampler/steps/5?seed=7&batch_size=48&category=dog&cut_off=true&first=3"
    assert page["tiles"][1].position == "epoch 0 · step 4 · row\u00a01"
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
    page = values(StepParameters(cut_off=True), found, (0, 0), (85, 16), searched=4096, last_step=85)
    assert page["summary"] == text


def test_a_search_leads_to_the_match_before_it() -> None:
    parameters = StepParameters(seed=7, batch_size=2, category="dog", samples=9)
    link = values(parameters, (), (3, 1), searched=9)["previous_match"]
    key = StreamPlace(3, parameters.shard, 1).key(SPEC.size, 7)
    assert urlsplit(link).path == f"/sampler/explore/{key.index}/previous-match"
    assert query_of(link) == {
        "seed": "7", "epoch": "0", "augment": "true", "search": "seed=7&batch_size=2&category=dog&step=3&first=1",
    }  # fmt: skip
    assert values(parameters, (), (0, 0), searched=9)["previous_match"] is None
    one_step = StepParameters(seed=7, batch_size=2, category="dog", one_step=True)
    assert values(one_step, (), (3, 0), searched=2)["previous_match"] is None
    assert whole_step()["previous_match"] is None


def test_each_filter_has_a_chip_that_removes_it() -> None:
    parameters = StepParameters(seed=7, category="dog", min_side=20, untagged=True, first=3)
    page = values(parameters, (), (3, 3), searched=10)
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
