"""The page /what-if on a running server: it changes nothing that is served, and costs no more than it may."""

import dataclasses
import json
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from sampler.config.cornernet_lite import load_config
from sampler.config.presets import PRESETS
from tests.support.live_server import LiveServer
from tests.support.pages import Elements

SACCADE = PRESETS["cornernet_saccade"]

SECONDS = 30.0
"""Longest time for a page on a machine that does other things, too. Most take 0.1 s."""

HOSTILE: tuple[dict[str, str], ...] = (
    {"rand_scales": ",".join(["4"] * 500)},
    {"rand_scales": "64"},
    {"rand_scales": "1e-300"},
    {"rand_scales": "9" * 4000},
    {"rand_scale_step": "1e-12"},
    {"rand_scale_step": "-0.1"},
    {"rand_scale_max": "inf"},
    {"rand_scale_min": "NaN"},
    {"gaussian_iou": "0"},
    {"gaussian_iou": "5e-324"},
    {"gaussian_radius": "4096"},
    {"input_size": "4096"},
    {"output_size": "4096"},
    {"att_size_0": "4096"},
    {"att_to_0": "1e6"},
    {"max_objects": "99999999"},
    {"lighting_std": "1e308"},
)
"""Changes that must not be made."""

EXTREME: tuple[dict[str, str], ...] = (
    {"rand_scales": ",".join(["4"] * 64), "rand_crop": "true"},
    {"rand_scale_min": "0.05", "rand_scale_max": "4", "rand_scale_step": "0.01", "rand_crop": "true"},
    {"gaussian_iou": "0.01", "min_scale": "0"},
    {"gaussian_radius": "64", "min_scale": "0", "max_objects": "1024"},
    {"input_size": "16", "output_size": "4", "att_size_0": "1", "att_size_1": "64"},
    {"lighting_std": "2", "jitter": "1"},
)
"""Changes at the ends of their ranges."""


def get(server: LiveServer, changes: dict[str, str], index: int = 7, path: str = "/what-if") -> httpx.Response:
    query = urlencode({"index": index, **changes})
    return httpx.get(f"{server.url}{path}?{query}", timeout=SECONDS)


def served(server: LiveServer) -> tuple[bytes, bytes, str]:
    """Return what a trainer gets: the spec, a batch and its digest."""
    spec = httpx.get(f"{server.url}/v1/spec")
    batch = httpx.get(f"{server.url}/v1/batches?seed=3&step=1&batch_size=4&layout=dense")
    return spec.content, batch.content, batch.headers["etag"]


def test_nothing_that_is_served_changes(server: LiveServer) -> None:
    before = served(server)
    for changes in ({"min_scale": "80", "gaussian_iou": "0.9"}, *EXTREME[:2]):
        assert get(server, changes).status_code == 200
    picture = f"{server.url}/compare/7/thumbnail?{urlencode({'changes': 'rand_crop=true'})}"
    assert httpx.get(picture, timeout=SECONDS).status_code == 200
    assert served(server) == before
    untouched = json.loads(httpx.get(f"{server.url}/debug/samples/7?seed=3").content)
    assert untouched["config"] == SACCADE.name


def test_hostile_values_are_refused_at_their_fields(server: LiveServer) -> None:
    for changes in HOSTILE:
        response = get(server, changes)
        assert response.status_code == 200
        [name] = changes
        note = next(one for one in Elements(response.text).all("input") if one.get("name") == name)
        assert note["aria-invalid"] == "true", changes
        assert "No sample: correct the values that are marked." in response.text
        assert get(server, changes, path="/what-if/config.json").status_code == 422
        assert httpx.get(
            f"{server.url}/compare/7/layers/crop?{urlencode({'changes': urlencode(changes)})}"
        ).status_code == 422  # fmt: skip
    assert server.metric("sampler_worker_restarts_total") == 0


def test_values_at_the_ends_of_their_ranges_are_shown_in_bounded_time(server: LiveServer) -> None:
    for changes in EXTREME:
        response = get(server, changes)
        assert "No sample" not in response.text, changes
        assert response.status_code == 200
    largest = urlencode({"config": "cornernet", "changes": "rand_scales=4&border=1"})
    assert httpx.get(f"{server.url}/compare/7/layers/crop?{largest}", timeout=SECONDS).status_code == 200
    assert server.metric("sampler_worker_restarts_total") == 0


def test_changed_fields_are_marked_with_the_served_value_and_a_link_that_resets_them(server: LiveServer) -> None:
    elements = Elements(get(server, {"min_scale": "80", "gaussian_iou": "0.9"}).text)
    links = {str(link["id"]): str(link["href"]) for link in elements.all("a") if "id" in link}
    assert {"min_scale-reset", "gaussian_iou-reset", "reset-all"} <= links.keys()
    assert not any(name.endswith("-reset") for name in links.keys() - {"min_scale-reset", "gaussian_iou-reset"})
    assert "min_scale" not in links["min_scale-reset"]
    assert "gaussian_iou=0.9" in links["min_scale-reset"]
    assert "min_scale" not in links["reset-all"]
    assert "changes=min_scale%3D80%26gaussian_iou%3D0.9" in next(
        str(image["href"]) for image in elements.all("image") if "changes" in str(image["href"])
    )  # fmt: skip


def test_the_form_works_without_scripts(server: LiveServer) -> None:
    elements = Elements(get(server, {"min_scale": "80"}).text)
    fields = {
        str(one["name"]): str(one.get("value", ""))
        for one in elements.all("input")
        if one.get("name")
    }  # fmt: skip
    filled = {name: value for name, value in fields.items() if value}
    again = httpx.get(f"{server.url}/what-if", params=filled, timeout=SECONDS)
    assert again.status_code == 200
    assert "1 change<" in again.text


def test_the_exported_file_has_the_changed_config(server: LiveServer, tmp_path: Path) -> None:
    changes = {"min_scale": "80", "rand_scales": "0.5, 2", "att_to_0": "200"}
    response = get(server, changes, path="/what-if/config.json")
    assert response.headers["content-disposition"] == 'attachment; filename="cornernet_saccade_what_if.json"'
    file = tmp_path / "exported.json"
    file.write_bytes(response.content)
    first = dataclasses.replace(SACCADE.attention[0], longest=(96, 200))
    expected = dataclasses.replace(
        SACCADE, name="exported", min_scale=80, rand_scales=(0.5, 2.0), attention=(first, *SACCADE.attention[1:])
    )
    assert load_config(str(file)) == expected
    assert "SAMPLER_CONFIG=cornernet_saccade_what_if.json saccade-sampler serve</pre>" in get(server, changes).text


def test_the_radius_of_each_box_is_shown_if_it_differs(server: LiveServer) -> None:
    text = get(server, {"gaussian_iou": "0.95"}).text
    served = json.loads(httpx.get(f"{server.url}/debug/samples/7").content)["boxes"]
    radius = max(box["radius"] for box in served if box["state"] == "object")
    assert radius > 0
    assert f"px, radius {radius}</span>" in text
    assert "px, radius 0</span>" in text
    assert "with different radii of bumps" in text


def test_the_page_says_which_values_a_file_cannot_give(server: LiveServer) -> None:
    assert "Such a file cannot give jitter:" in get(server, {"jitter": "0.1"}).text
    assert "Such a file cannot give" not in get(server, {"min_scale": "80"}).text


@pytest.mark.parametrize(("changes", "expected"), [
    ({"digest": "0" * 32}, "digest"),
    ({"index": "24"}, "index = 24: expected an integer from 0 to 23"),
    ({"sead": "3"}, "sead = '3': expected one of rand_scale_min"),
    ({"border": "3"}, "border = '3': expected one of rand_scale_min"),
])  # fmt: skip
def test_other_parameters_are_refused(server: LiveServer, changes: dict[str, str], expected: str) -> None:
    response = get(server, changes)
    assert response.status_code == (412 if "digest" in changes else 422)
    assert expected in response.json()["detail"]
