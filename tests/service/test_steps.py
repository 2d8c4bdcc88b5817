"""The pages with thumbnails: of a step, of samples that match a filter, and of the dataset."""

from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from sampler.stream.shards import Shard, step_keys
from tests.support.live_server import LiveServer
from tests.support.pages import Elements
from tests.support.scenes import EMPTY, IMAGES
from tests.support.wire_client import one_batch

LAST_STEP = (1 << 63) // 8 - 1


def get(server: LiveServer, path: str) -> httpx.Response:
    return httpx.get(server.url + path, timeout=60, headers={"accept": "text/html"})


def page_at(server: LiveServer, path: str) -> Elements:
    response = get(server, path)
    assert response.status_code == 200, response.text
    return Elements(response.text)


def thumbnails(page: Elements) -> list[str]:
    return [str(image["src"]) for image in page.all("img") if image.get("loading") == "lazy"]


def indices(page: Elements) -> list[int]:
    return [int(urlsplit(source).path.split("/")[2]) for source in thumbnails(page)]


def neighbour(page: Elements, rel: str) -> str | None:
    found = [link["href"] for link in page.all("a") if link.get("rel") == rel]
    return found[0] if found else None


def test_a_step_shows_the_samples_of_its_batch_in_order(server: LiveServer) -> None:
    for query in ("seed=7&batch_size=7", "seed=7&batch_size=7&rank=1&world_size=2"):
        batch = one_batch(server.url, f"{query}&step=3")
        assert indices(page_at(server, f"/steps/3?{query}")) == [sample.key.index for sample in batch.samples]


def test_thumbnails_have_their_size_before_they_are_loaded(server: LiveServer) -> None:
    for path in ("/steps/0?batch_size=2", "/images"):
        page = page_at(server, path)
        sizes = [(image["width"], image["height"]) for image in page.all("img") if image.get("loading") == "lazy"]
        assert sizes
        assert all(str(side).isdigit() for size in sizes for side in size)
        picture = httpx.get(server.url + thumbnails(page)[0], timeout=60)
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")


def test_every_thumbnail_leads_to_a_page(server: LiveServer) -> None:
    for path in ("/steps/2?batch_size=3&seed=5&augment=false", "/steps/2?batch_size=5000", "/images"):
        tiles = [str(link["href"]) for link in page_at(server, path).all("a") if link.get("class") == "tile"]
        assert tiles
        assert get(server, tiles[0]).status_code == 200


def test_the_next_sample_is_the_next_thumbnail(server: LiveServer) -> None:
    step = page_at(server, "/steps/2?batch_size=6&seed=5&rank=1&world_size=2")
    tiles = [str(link["href"]) for link in step.all("a") if link.get("class") == "tile"]
    following = neighbour(page_at(server, tiles[0]), "next")
    assert following is not None
    assert dict(parse_qsl(urlsplit(following).query)).items() >= dict(parse_qsl(urlsplit(tiles[1]).query)).items()
    assert urlsplit(following).path == urlsplit(tiles[1]).path


def test_matches_go_on_where_the_page_ends(server: LiveServer) -> None:
    page = page_at(server, "/steps/1?batch_size=8&seed=7&state=ignored")
    following = neighbour(page, "next")
    assert following is not None
    found = indices(page) + indices(page_at(server, following))
    stream = (key.index for step in range(1, 80) for key in step_keys(IMAGES, 7, step, Shard(8)))
    assert len(found) > 48
    assert all(index in stream for index in found)  # in the order of the stream


def test_no_match_says_what_to_do(server: LiveServer) -> None:
    html = get(server, "/steps/0?min_side=4000").text
    assert "None of 4,096 samples in steps 0–85 matches" in html
    assert "Search on from step 85" in html
    assert "remove a filter" in html


def test_an_epoch_is_searched_from_its_start_to_its_end_whatever_the_step(server: LiveServer) -> None:
    keys = [key.index for step in range(IMAGES) for key in step_keys(IMAGES, 7, step, Shard(8))]
    for step in (0, 999):
        page = page_at(server, f"/steps/{step}?batch_size=8&seed=7&epoch=3")
        found = indices(page)
        while following := neighbour(page, "next"):
            page = page_at(server, following)
            found += indices(page)
        assert found == keys[3 * IMAGES : 4 * IMAGES]
    html = get(server, "/steps/0?batch_size=8&seed=7&epoch=3").text
    assert "epoch 3 · step" in html
    assert "Remove filter: epoch 3" in html


@pytest.mark.parametrize("rank", range(3))
def test_positions_are_those_of_all_ranks(server: LiveServer, rank: int) -> None:
    ranks = f"&rank={rank}&world_size=3"
    page = page_at(server, f"/steps/0?batch_size=8&seed=7&positions=11-37{ranks}")
    keys = [
        (step * 8 + Shard(8, rank, 3).bounds[0] + row, key.index)
        for step in range(6)
        for row, key in enumerate(step_keys(IMAGES, 7, step, Shard(8, rank, 3)))
    ]
    assert indices(page) == [index for position, index in keys if 11 <= position <= 37]


def test_a_rank_without_a_world_size_says_what_is_missing(server: LiveServer) -> None:
    assert "give world_size" in httpx.get(f"{server.url}/steps/0?rank=3", timeout=60).text


def test_a_page_of_images_beyond_the_last_leads_to_the_first(server: LiveServer) -> None:
    page = get(server, f"/images?first={IMAGES + 9}").text
    assert f"There is no image from index {IMAGES + 9} on." in page
    assert ">Show the first images</a>" in page


def test_the_stream_has_a_last_step(server: LiveServer) -> None:
    assert neighbour(page_at(server, f"/steps/{LAST_STEP}?batch_size=8"), "next") is None
    assert "The stream ends here" in get(server, f"/steps/{LAST_STEP}?batch_size=8&min_side=4000").text


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/steps/0?category=bird", "category"),
        (f"/steps/{LAST_STEP + 1}?batch_size=8", "step"),
        ("/steps/0?first=48", "first"),
        ("/steps/0?rank=3&world_size=2", "rank"),
        ("/steps/0?rank=3", "rank"),
        ("/steps/0?ignored=yes", "ignored"),
        ("/steps/0?min_side=50&side_below=50", "side_below"),
        (f"/steps/0?epoch={1 << 62}", "epoch"),
        ("/steps/0?positions=9-5", "positions"),
        ("/steps/0?positions=5", "positions"),
        ("/steps/0?epoch=0&positions=9000-9999", "positions"),
        ("/images?min_side=50&side_below=10", "side_below"),
        ("/images?min_boxes=10&max_boxes=2", "max_boxes"),
        ("/steps?step=x", "step"),
        ("/images?category=bird", "category"),
        ("/images?find=", "find"),
        ("/images?remark=ugly", "remark"),
    ],
)
def test_a_value_that_is_out_of_range_is_refused_by_name(server: LiveServer, path: str, field: str) -> None:
    response = httpx.get(server.url + path, timeout=60)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_link_that_names_a_digest_is_refused_after_a_change(server: LiveServer) -> None:
    digest = httpx.get(f"{server.url}/v1/spec").json()["digest"]
    for path in ("/steps/0?batch_size=2", "/images?max_boxes=0"):
        join = f"{path}&digest="
        assert get(server, join + digest).status_code == 200
        assert get(server, join + 32 * "0").status_code == 412


def test_a_form_without_scripts_leads_to_a_short_link(server: LiveServer) -> None:
    response = get(server, "/steps?step=12&seed=7&rank=&category=&size=small")
    assert (response.status_code, response.headers["location"]) == (307, "/steps/12?seed=7&size=small")
    response = get(server, "/images/find?find=&first=&crowd=true")
    assert (response.status_code, response.headers["location"]) == (307, "/images?crowd=true")
    assert get(server, "/images/find?find=").headers["location"] == "/images"


def test_images_are_shown_in_dataset_order(server: LiveServer) -> None:
    assert indices(page_at(server, "/images")) == list(range(IMAGES))
    assert indices(page_at(server, "/images?max_boxes=0")) == [EMPTY]
    assert indices(page_at(server, "/images?find=107")) == [1]
    assert indices(page_at(server, "/images?remark=damaged")) == []


def test_the_pages_are_not_made_for_head(server: LiveServer) -> None:
    for path in ("/steps/0", "/images"):
        response = httpx.head(server.url + path, timeout=60)
        assert (response.status_code, response.content) == (200, b"")
