"""The page /compare on a running server: every state is in its URL, and all its links and pictures work."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from sampler.config.presets import PRESETS
from tests.support.live_server import LiveServer
from tests.support.pages import Elements

HTML = {"accept": "text/html"}


def get(server: LiveServer, path: str) -> httpx.Response:
    return httpx.get(f"{server.url}{path}", headers=HTML, timeout=60)


def page(server: LiveServer, path: str) -> Elements:
    response = get(server, path)
    assert response.status_code == 200, response.text
    return Elements(response.text)


def sides(target: object) -> dict[str, str]:
    """Return the parameters of both sides in a link."""
    query = parse_qs(urlsplit(str(target)).query)
    return {name: values[0] for name, values in query.items() if name.startswith(("left", "right"))}


def links(elements: Elements) -> dict[str, str]:
    return {str(link["id"]): str(link["href"]) for link in elements.all("a") if "id" in link}


def stages(elements: Elements) -> list[dict[str, str | None]]:
    """Return the pictures of both sides, without those of the legend."""
    return [svg for svg in elements.all("svg") if "layers" in str(svg["class"]).split()]


def test_without_parameters_an_image_is_compared_with_itself_in_the_next_epoch(server: LiveServer) -> None:
    fields = {field.get("id"): field.get("value") for field in page(server, "/compare?seed=7").all("input")}
    assert (fields["left-seed"], fields["left-epoch"]) == ("7", "0")
    assert (fields["right-seed"], fields["right-epoch"]) == ("7", "1")


def test_every_link_and_picture_of_the_page_works(server: LiveServer) -> None:
    elements = page(server, "/compare?index=2&left_seed=3&right_seed=4&right_changes=min_scale%3D40")
    pictures = [str(image["src"]) for image in elements.all("img")]
    pictures += [str(image["href"]) for image in elements.all("image")]
    targets = [str(link["href"]) for link in elements.all("a") if str(link["href"]).startswith("/compare")]
    assert len(targets) > 20
    with httpx.Client(base_url=server.url, headers=HTML, timeout=60) as client:
        for target in dict.fromkeys((*pictures, *targets)):
            response = client.get(target)
            assert response.status_code == 200, target
            kind = "image/" if target in pictures else "text/html"
            assert response.headers["content-type"].startswith(kind), target


def test_crowd_boxes_are_striped(server: LiveServer) -> None:
    elements = page(server, "/compare?index=12&left_augment=false&right_augment=false")
    crowd = [group for group in elements.all("g") if "crowd" in str(group["class"]).split()]
    stripes = [rect["fill"] for rect in elements.all("rect") if rect["class"] == "stripes"]
    assert len(crowd) == 3  # both pictures and the legend
    assert stripes == [f"url(#{pattern['id']})" for pattern in elements.all("pattern")]


def test_presets_and_swap_are_links_to_other_sides(server: LiveServer) -> None:
    found = links(page(server, "/compare?index=2&left_seed=3&left_epoch=5&right_config=cornernet"))
    left = {"left_seed": "3", "left_epoch": "5", "left_augment": "true"}
    right = {"right_seed": "3", "right_epoch": "5", "right_augment": "true"}
    assert sides(found["next-seed"]) == left | right | {"right_seed": "4"}
    assert sides(found["next-epoch"]) == left | right | {"right_epoch": "6"}
    assert sides(found["augmentation-off"]) == left | right | {"right_augment": "false"}
    assert sides(found["swap"])["left_config"] == "cornernet"
    assert sides(found["epoch-2"])["right_epoch"] == "2"


def test_changes_lead_to_the_page_that_makes_them(server: LiveServer) -> None:
    found = links(page(server, "/compare?index=2&seed=3&right_changes=min_scale%3D40"))
    assert found["what-if"] == "/what-if?index=2&seed=3&epoch=0&augment=true&min_scale=40"
    there = links(page(server, found["what-if"]))
    assert sides(there["compare"])["right_changes"] == "min_scale=40"


def test_layers_and_zoom_are_in_the_links_of_both_sides(server: LiveServer) -> None:
    elements = page(server, "/compare?layers=crop&zoom=2")
    assert not elements.all("text")  # the names of boxes
    assert [stage["class"] for stage in stages(elements)] == ["layers zoom-2", "layers zoom-2"]
    found = links(elements)
    assert "layers=crop&zoom=2" in found["next-epoch"]
    assert "layers" not in found["layer-boxes"]  # crop and boxes are what a page without the parameter shows


@pytest.mark.parametrize("layers", ["crop,tl_heats", ""])
def test_links_to_other_pages_of_the_sample_keep_the_layers(server: LiveServer, layers: str) -> None:
    compare = links(page(server, f"/compare?index=2&layers={layers}"))
    what_if = links(page(server, f"/what-if?index=2&min_scale=40&layers={layers}"))
    for target in (
        compare["what-if"], compare["left-sample"], compare["right-sample"],
        what_if["compare"], what_if["served-sample"],
    ):  # fmt: skip
        assert parse_qs(urlsplit(target).query, keep_blank_values=True)["layers"] == [layers], target
        page(server, target)


def test_links_to_other_pages_have_the_usual_layers_if_none_are_chosen(server: LiveServer) -> None:
    compare, what_if = links(page(server, "/compare?index=2")), links(page(server, "/what-if?index=2&min_scale=40"))
    for target in (compare["what-if"], compare["left-sample"], what_if["compare"], what_if["served-sample"]):
        assert "layers" not in target


def test_boxes_that_another_config_ignores_are_named(server: LiveServer) -> None:
    text = get(server, "/compare?index=7&seed=3&right_changes=min_scale%3D150").text
    assert "with different states" in text
    assert '<span class="chip ignored">ignored: too small</span>' in text


def test_samples_of_another_config_have_its_size(server: LiveServer) -> None:
    side = PRESETS["cornernet"].input_side
    elements = page(server, "/compare?index=2&right_config=cornernet")
    boxes = [stage["viewbox"] for stage in stages(elements)]
    assert boxes == ["0 0 255 255", f"0 0 {side} {side}"]


@pytest.mark.parametrize(("path", "expected"), [
    ("/compare?left_changes=foo", "left_changes = 'foo': expected names with values"),
    ("/compare?right_config=mine", "right_config = 'mine': expected one of served, cornernet_saccade"),
    ("/compare?right_changes=min_scale%3DNaN", "expected an integer from 0 to 255"),
    ("/compare?right_changes=nothing%3D1", "right_changes = 'nothing=1': expected one of rand_scale_min"),
    ("/compare?right_changes=nothing%3D1", "att_to_2; 'nothing' is unknown"),
    ("/compare?layers=crop,foo", "layers = 'foo': expected some of boxes, names, window, corners, original, crop"),
    ("/what-if?layers=foo", "layers = 'foo': expected some of boxes"),
    ("/explore/5?layers=foo", "layers = 'foo': expected some of boxes"),
    ("/explore/5?layers=" + "crop," * 500, "at most 2000 characters"),
    ("/compare?index=24", "index = 24: expected an integer from 0 to 23"),
    ("/compare?zoom=3", "zoom = 3: expected 1, 2 or 4"),
    ("/compare?left_sed=3", "left_sed = '3': expected no such parameter"),
    ("/compare/2/layers/nothing", "name = 'nothing': expected one of original, crop, input"),
    ("/compare/2/thumbnail?config=mine", "config = 'mine': expected one of served"),
])  # fmt: skip
def test_an_invalid_state_is_refused(server: LiveServer, path: str, expected: str) -> None:
    response = httpx.get(f"{server.url}{path}", timeout=60)
    assert response.status_code == 422
    assert expected in response.json()["detail"]


def test_a_picture_of_the_served_config_has_the_pixels_of_its_sample(server: LiveServer) -> None:
    served, other = (
        get(server, f"/compare/2/layers/crop?seed=3&config={name}").content
        for name in ("served", "cornernet_saccade")
    )  # fmt: skip
    assert served == other
    assert get(server, "/compare/2/layers/crop?seed=4").content != served


def test_revalidation_makes_no_picture_again(server: LiveServer) -> None:
    first = get(server, "/compare/2/thumbnail?changes=min_scale%3D40")
    again = httpx.get(str(first.url), headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert get(server, "/compare/2/thumbnail?changes=min_scale%3D41").headers["etag"] != first.headers["etag"]


def test_a_head_request_has_no_page(server: LiveServer) -> None:
    for path in ("/compare", "/what-if"):
        response = httpx.head(f"{server.url}{path}")
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["content-type"].startswith("text/html")
