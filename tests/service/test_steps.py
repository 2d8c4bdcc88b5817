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
        ("/steps/0?ignored=yes", "ignored"),
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
