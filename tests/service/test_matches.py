"""From a match of a search to the next and to the previous one."""

from itertools import pairwise
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest

from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard, last_step
from tests.support.live_server import LiveServer
from tests.support.pages import Elements
from tests.support.scenes import IMAGES

SEARCH = "seed=7&batch_size=6&state=ignored"
NEVER = "seed=7&batch_size=6&min_side=4000"


def get(server: LiveServer, path: str) -> httpx.Response:
    return httpx.get(server.url + path, timeout=60, headers={"accept": "text/html"}, follow_redirects=True)


def page_at(server: LiveServer, path: str) -> Elements:
    response = get(server, path)
    assert response.status_code == 200, response.text
    return Elements(response.text)


def tiles(server: LiveServer, path: str) -> list[str]:
    """Return the links of the thumbnails of a page."""
    return [str(link["href"]) for link in page_at(server, path).all("a") if link.get("class") == "tile"]


def match_link(page: Elements, direction: str) -> str | None:
    """Return the link of a sample's page to the previous or next match."""
    found = [link["href"] for link in page.all("a") if link.get("aria-label") == f"{direction.capitalize()} match"]
    return found[0] if found else None


def match_from(server: LiveServer, sample: str, direction: str) -> str:
    """Return where the page of a sample leads: path and query."""
    link = match_link(page_at(server, sample), direction)
    assert link is not None
    return str(get(server, link).url).removeprefix(server.url)


def sample_at(step: int, row: int, search: str, shard: Shard) -> str:
    """Return the path of the sample at a place of the stream of seed 7, found by a search."""
    key = StreamPlace(step, shard, row).key(IMAGES, 7)
    return f"/explore/{key.index}?seed=7&epoch={key.epoch}&search={quote(search)}"


def heading(html: str) -> str:
    return html.partition("<h1>")[2].partition("</h1>")[0]


@pytest.mark.parametrize("ranks", ["", "&rank=1&world_size=3", "&one_step=true", "&augment=false"])
def test_matches_lead_to_each_other_in_the_order_of_the_search(server: LiveServer, ranks: str) -> None:
    matches = tiles(server, f"/steps/2?{SEARCH.replace('batch_size=6', 'batch_size=60')}{ranks}")[:4]
    assert len(matches) == 4
    for one, following in pairwise(matches):
        assert match_from(server, one, "next") == following
        assert match_from(server, following, "previous") == one


def test_every_match_leads_back_to_the_page_where_the_search_began(server: LiveServer) -> None:
    first, second, *_ = tiles(server, f"/steps/2?{SEARCH}&first=3")
    following = match_from(server, first, "next")
    assert following == second
    for sample in (first, following):
        search = dict(parse_qsl(dict(parse_qsl(urlsplit(sample).query))["search"]))
        assert search == dict(parse_qsl(SEARCH)) | {"step": "2", "first": "3"}


def test_the_layers_that_are_shown_stay_from_match_to_match(server: LiveServer) -> None:
    first, second, *_ = tiles(server, f"/steps/2?{SEARCH}")
    for layers in ("boxes,tl_heats", ""):
        target = match_from(server, f"{first}&layers={layers}", "next")
        assert urlsplit(target).path == urlsplit(second).path
        assert dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))["layers"] == layers


def test_a_sample_that_does_not_match_leads_to_the_matches_around_it(server: LiveServer) -> None:
    search = f"step=0&{SEARCH}"
    matches = [urlsplit(tile).path for tile in tiles(server, f"/steps/0?{SEARCH}")]
    paths = [f"/explore/{key.index}" for key in StreamPlace(0, Shard(6), 0).keys(IMAGES, 7, 60)]
    number = next(number for number in range(paths.index(matches[0]), 60) if paths[number] not in matches)
    before, after = (
        match_from(server, sample_at(*divmod(number, 6), search, Shard(6)), direction)
        for direction in ("previous", "next")
    )
    assert match_from(server, before, "next") == after
    assert match_from(server, after, "previous") == before


def test_a_search_without_a_next_match_says_so_and_offers_to_go_on(server: LiveServer) -> None:
    target = match_from(server, sample_at(2, 3, f"step=0&{NEVER}", Shard(6)), "next")
    html = get(server, target).text
    assert heading(html) == "Samples from step 2"
    assert "None of 4,096 samples in steps 2–685 matches" in html
    assert "Search on from step 685" in html


def test_a_search_without_a_previous_match_says_so_and_offers_to_go_on(server: LiveServer) -> None:
    target = match_from(server, sample_at(900, 3, f"step=0&{NEVER}", Shard(6)), "previous")
    html = get(server, target).text
    assert heading(html) == "Samples from step 217"  # 900 · 6 + 3 − 4096 = 217 · 6 + 5
    assert "None of 4,096 samples in steps 217–900 matches" in html
    [back] = [link["href"] for link in Elements(html).all("a") if "previous-match" in str(link.get("href"))]
    further = get(server, str(back))
    assert heading(further.text) == "Samples from step 0"
    assert "None of 1,307 samples in steps 0–217 matches" in further.text


def test_the_first_match_of_the_stream_says_that_none_precedes_it(server: LiveServer) -> None:
    first = tiles(server, f"/steps/0?{SEARCH}")[0]
    sample = dict(parse_qsl(urlsplit(first).query))
    key = StreamPlace(int(sample["step"]), Shard(6), 0)
    target = match_from(server, first, "previous")
    page = page_at(server, target)
    assert urlsplit(target).path == "/steps/0"
    assert f"in {'step 0' if key.step == 0 else f'steps 0–{key.step}'} matches" in get(server, target).text
    assert not [link for link in page.all("a") if link.get("class") == "tile"]
    [onward] = [str(link["href"]) for link in page.all("a") if link.get("rel") == "next"]
    assert urlsplit(tiles(server, onward)[0]).path == urlsplit(first).path


def test_a_search_of_one_step_ends_with_the_step(server: LiveServer) -> None:
    search = f"step=3&{NEVER}&one_step=true"
    target = match_from(server, sample_at(3, 2, search, Shard(6)), "next")
    html = get(server, target).text
    assert heading(html) == "Step 3"
    assert "None of 3 samples in step 3 matches" in html
    assert "The step ends here" in html
    target = match_from(server, sample_at(3, 2, search, Shard(6)), "previous")
    assert "None of 2 samples in step 3 matches" in get(server, target).text
    outside = page_at(server, sample_at(4, 2, search, Shard(6)))
    assert match_link(outside, "next") is match_link(outside, "previous") is None


def test_the_stream_has_a_first_and_a_last_match(server: LiveServer) -> None:
    search, shard = f"step=0&{SEARCH}", Shard(6)
    first = page_at(server, sample_at(0, 0, search, shard))
    assert match_link(first, "previous") is None
    assert match_link(first, "next") is not None
    last = page_at(server, sample_at(last_step(shard), 5, search, shard))
    assert match_link(last, "next") is None
    target = match_from(server, sample_at(last_step(shard), 3, f"step=0&{NEVER}", shard), "next")
    assert "The stream ends here" in get(server, target).text


@pytest.mark.parametrize(
    "search",
    [
        *(
            f"{part}&cut_off=true"
            for part in (
                "seed=8",
                "seed=7&augment=false",
                "seed=x",
                "seed=7&nonsense=1",
                "seed=7&category=",
                "seed=7&rank=9",
                "seed=7&epoch=3",
                "seed=7&positions=0-3",
                "seed=7&cut_off=true",
                "seed=7&dataset=other",
                "seed=7&aaaa",
            )
        ),
        "seed=7",
        "",
        "//evil.com",
    ],
)
def test_a_sample_that_the_search_does_not_look_at_has_no_links_to_matches(server: LiveServer, search: str) -> None:
    sample = sample_at(2, 3, search, Shard(6))
    page = page_at(server, sample)
    valid = search == "seed=7&category=&cut_off=true"  # a field of a form that a person left empty
    assert (match_link(page, "next") is not None) == valid
    if not valid:
        response = httpx.get(server.url + sample.replace("?", "/next-match?"), timeout=60)
        assert response.status_code == 422
        assert [error["field"] for error in response.json()["errors"]] in (["search"], ["rank"])


def test_a_sample_of_another_rank_has_no_links_to_matches(server: LiveServer) -> None:
    search = f"step=0&{SEARCH}&rank=1&world_size=3"
    pages = [page_at(server, sample_at(2, row, search, Shard(6))) for row in range(6)]
    assert [match_link(page, "next") is not None for page in pages] == [False, False, True, True, False, False]


def test_a_category_that_the_dataset_lacks_is_refused_by_name(server: LiveServer) -> None:
    sample = sample_at(2, 3, f"step=0&{SEARCH}&category=bird", Shard(6))
    response = httpx.get(server.url + sample.replace("?", "/next-match?"), timeout=60)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["category"]


def test_a_search_of_another_digest_is_refused_as_its_page_is(server: LiveServer) -> None:
    search = f"step=0&{SEARCH}&digest={32 * '0'}"
    sample = sample_at(2, 3, search, Shard(6))
    assert match_link(page_at(server, sample), "next") is None
    for path in (sample.replace("?", "/next-match?"), f"/steps/0?{search.removeprefix('step=0&')}"):
        assert get(server, path).status_code == 412


def test_an_unknown_parameter_of_a_search_is_named_as_one_to_leave_out(server: LiveServer) -> None:
    sample = sample_at(2, 3, f"step=0&{SEARCH}&typo=1", Shard(6))
    response = httpx.get(server.url + sample.replace("?", "/next-match?"), timeout=60)
    assert response.json()["errors"][0]["expected"] == "the query of a page of steps, without typo"


def test_matches_of_an_epoch_end_with_the_epoch(server: LiveServer) -> None:
    found = tiles(server, f"/steps/0?{SEARCH}&epoch=2")
    epochs = {dict(parse_qsl(urlsplit(tile).query))["epoch"] for tile in found}
    assert epochs == {"2"}
    assert match_from(server, found[0], "next") == found[1]
    sample = sample_at(9, 2, f"step=8&{NEVER}&epoch=2", Shard(6))  # of steps 8–11
    before, after = (get(server, match_from(server, sample, direction)).text for direction in ("previous", "next"))
    assert "None of 8 samples in steps 8–9 matches" in before
    assert "The epoch begins here" in before
    assert "None of 15 samples in steps 9–11 matches" in after
    assert "The epoch ends here" in after


def test_a_search_without_a_further_match_leads_back_to_the_sample(server: LiveServer) -> None:
    sample = sample_at(3, 2, f"step=3&{NEVER}&one_step=true", Shard(6))
    for direction, where in (("next", "after"), ("previous", "before")):
        html = get(server, match_from(server, sample, direction)).text
        assert f"No match {where} row 2 of step 3." in html
        assert "Remove a filter" not in html
        links = [str(link["href"]) for link in Elements(html).all("a") if "search=" in str(link["href"])]
        [back] = [link for link in links if urlsplit(link).path == urlsplit(sample).path]
        assert match_link(page_at(server, back), direction) is not None
