"""The page of a sample: its layers and boxes, and links to other samples and files."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from sampler.config.presets import preset
from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT, SampleKey
from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard
from sampler.version import VERSION
from sampler.wire.spec import ServiceSpec
from service.explorer.sample.page import SamplePageState, problem_page, sample_page
from tests.support.pages import Elements, page_request

LAYERS = [
    {"name": name, "title": name, "caption": "", "place": place, "width": side, "height": side, "kind": kind,
     "swatch": swatch}
    for name, place, side, kind, swatch in [
        ("original", "original", 640, "base", ""), ("crop", "crop", 255, "base", ""),
        ("input", "crop", 255, "input", ""), ("tl_heats", "crop", 255, "tint", "top-left"),
        ("attentions_0", "crop", 256, "tint", "attention"),
    ]
]  # fmt: skip


def box(row: int, state: str, name: str = "cat", **marks: bool | str) -> dict[str, Any]:
    crop = None if state == "outside" else [10.0, 20.0, 60.0, 90.0]
    fixed = {"crowd": False, "reference": False, "untagged": False, "cut_off": False, "ignored_because": None}
    return {"row": row, "category": {"number": 1, "name": name}, "original": [1.0, 2.0, 31.0, 42.0], "crop": crop,
            "state": state} | fixed | marks  # fmt: skip


def facts(**changed: Any) -> dict[str, Any]:
    boxes = [box(0, "object", reference=True), box(1, "ignored", crowd=True), box(2, "outside")]
    return {
        "image": {"id": 139, "file_name": "139.jpg", "height": 640, "width": 640},
        "counts": {"objects": 1, "ignored": 1, "outside": 1, "untagged": 0},
        "boxes": boxes, "window": [-10.0, 0.0, 300.0, 310.0], "side": 255, "has_corners": True, "layers": LAYERS,
        "recipe_lines": [("scale", "1.1")],
        "arrays": {"images": {"dtype": "<f4", "shape": [3, 255, 255], "min": -2.0, "max": 2.0, "nonzero": 7}},
    } | changed  # fmt: skip


def shown(index: int = 3, place: StreamPlace | None = None, **changed: Any) -> SamplePageState:
    values: dict[str, Any] = {
        "total": 10, "config": "cornernet_saccade", "dataset_name": "demo", "category_names": ("cat", "dog"),
    } | changed  # fmt: skip
    config = replace(preset("cornernet_saccade"), name=values["config"])
    spec = ServiceSpec("d1", "", values["total"], values["category_names"], config, 1024, 1 << 20)
    return SamplePageState(spec, values["dataset_name"], SampleKey(7, 1, index), augment=True, place=place)


def page(index: int = 3, place: StreamPlace | None = None, known: dict[str, Any] | None = None, **changed: Any) -> str:
    request = page_request(f"/explore/{index}", "seed=7&epoch=1")
    return bytes(sample_page(request, shown(index, place, **changed), known or facts()).body).decode()


def targets(html: str) -> set[str | None]:
    return {link["href"] for link in Elements(html).all("a")}


def test_the_page_links_to_other_samples_and_to_files_of_this_one() -> None:
    query, pins = "?seed=7&epoch=1&augment=true", f"&digest=d1&version={VERSION}"
    assert targets(page()) >= {
        f"/explore/2{query}", f"/explore/4{query}", "/explore/3?seed=8&epoch=1&augment=true",
        "/explore/3?seed=6&epoch=1&augment=true", "/explore/3?seed=7&epoch=2&augment=true",
        "/explore/3?seed=7&epoch=0&augment=true", "/explore/3?seed=7&epoch=1&augment=false",
        f"/explore/3/arrays.npz{query}{pins}", f"/explore/3/recipe.json{query}{pins}",
        f"/debug/samples/3{query}", f"/debug/samples/3.png{query}", "/compare?index=3&seed=7&epoch=1",
        "/what-if?index=3&seed=7&epoch=1&augment=true",
        "/v1/spec", "/metrics",
    }  # fmt: skip


@pytest.mark.parametrize(("index", "previous", "following"), [(0, 9, 1), (9, 8, 0)])
def test_without_a_step_the_first_and_the_last_sample_of_the_dataset_are_neighbours(
    index: int, previous: int, following: int
) -> None:
    links = {link["rel"]: link["href"] for link in Elements(page(index)).all("a") if "rel" in link}
    assert str(links["prev"]).startswith(f"/explore/{previous}?")
    assert str(links["next"]).startswith(f"/explore/{following}?")


def test_with_a_step_the_neighbours_are_those_of_the_stream() -> None:
    place = StreamPlace(5, Shard(4, 1, 2), 0)
    key, following = place.key(10, 7), StreamPlace(5, Shard(4, 1, 2), 1).key(10, 7)
    request = page_request(f"/explore/{key.index}", "")
    html = bytes(sample_page(request, replace(shown(place=place), key=key), facts()).body).decode()
    query = f"seed=7&epoch={following.epoch}&augment=true&step=5&batch_size=4&rank=1&world_size=2"
    assert f"/explore/{following.index}?{query}" in targets(html)
    assert "/steps/5?seed=7&batch_size=4&rank=1&world_size=2&augment=true" in targets(html)
    assert "row 0 of 2 in step 5 of rank 1 of 2" in " ".join(html.split())


def test_a_sample_that_was_found_leads_back_to_the_search() -> None:
    search = "step=9500&seed=7&batch_size=48&category=person"
    request = page_request("/explore/3", "seed=7&epoch=1")
    html = bytes(sample_page(request, replace(shown(), search=search), facts()).body).decode()
    assert f"/steps?{search}" in targets(html)
    following = next(str(link["href"]) for link in Elements(html).all("a") if link.get("rel") == "next")
    assert dict(parse_qsl(urlsplit(following).query))["search"] == search
    assert not any("search" in str(target) for target in targets(page()))


def test_nothing_precedes_the_first_sample_of_a_stream() -> None:
    place = StreamPlace(0, Shard(4), 0)
    request = page_request("/explore/0", "")
    html = bytes(sample_page(request, replace(shown(place=place), key=place.key(10, 7)), facts()).body).decode()
    assert [link["rel"] for link in Elements(html).all("a") if "rel" in link] == ["next"]


def test_the_batch_of_a_sample_is_that_of_its_place_in_the_stream() -> None:
    place = StreamPlace.of(SampleKey(7, 1, 3), 10, Shard(48))
    assert place is not None
    assert f"/steps/{place.step}?seed=7&batch_size=48&augment=true" in targets(page())


def test_the_random_link_leads_to_a_sample_of_the_dataset() -> None:
    found = {
        link["href"] for _ in range(60) for link in Elements(page(2, total=3)).all("a") if link.get("id") == "random"
    }
    assert found == {f"/explore/{index}?seed=7&epoch=1&augment=true" for index in range(3)}


def test_layers_are_images_one_above_the_other() -> None:
    layers = Elements(page()).all("image")
    query = f"seed=7&epoch=1&augment=true&digest=d1&version={VERSION}"
    assert [layer["href"] for layer in layers] == [f"/explore/3/layers/{one['name']}?{query}" for one in LAYERS]
    assert [layer["width"] for layer in layers] == ["640", "255", "255", "255", "256"]
    assert ["hidden" in layer for layer in layers] == [False, False, True, True, True]
    toggles = [link["data-toggle"] for link in Elements(page()).all("a") if "data-toggle" in link]
    assert toggles == ["boxes", "names", "window", "corners", "crop", "input", "tl_heats", "attentions_0"]


def with_layers(*layers: str) -> Elements:
    request = page_request("/explore/3", "seed=7&epoch=1")
    return Elements(bytes(sample_page(request, replace(shown(), layers=layers), facts()).body).decode())


def layers_of(target: str | None) -> str | None:
    return dict(parse_qsl(urlsplit(str(target)).query, keep_blank_values=True)).get("layers")


def test_the_layers_of_the_url_are_shown_and_the_links_keep_them() -> None:
    elements = with_layers("input", "tl_heats", "names", "unknown")
    hidden = {one["data-layer"] for tag in ("image", "g") for one in elements.all(tag) if "hidden" in one}
    assert hidden == {"crop", "attentions_0", "boxes", "window", "corners"}
    assert [one["class"] for one in elements.all("svg") if "data-name" in one] == ["named", "named tinted"]
    kept = {
        urlsplit(str(link["href"])).path: layers_of(link["href"])
        for link in elements.all("a")
        if "data-toggle" not in link
    }
    for path in ("/explore/2", "/explore/4", "/explore/3", "/compare", "/what-if"):
        assert kept[path] == "input,tl_heats,names,unknown"
    assert not [path for path, layers in kept.items() if layers and path.startswith(("/steps", "/debug", "/v1"))]


def test_a_toggle_leads_to_the_page_with_its_layer_shown_or_hidden() -> None:
    toggles = {one["data-toggle"]: one for one in with_layers("boxes", "crop").all("a") if "data-toggle" in one}
    assert layers_of(toggles["boxes"]["href"]) == "crop"
    assert layers_of(toggles["tl_heats"]["href"]) == "boxes,crop,tl_heats"
    assert layers_of(toggles["window"]["href"]) is None, "these are the usual layers"
    assert [name for name, one in toggles.items() if one.get("aria-current")] == ["boxes", "crop"]
    [last] = [one["href"] for one in with_layers("boxes").all("a") if one.get("data-toggle") == "boxes"]
    assert layers_of(last) == ""


def test_a_family_without_corners_has_no_toggle_for_them() -> None:
    elements = Elements(page(known=facts(has_corners=False)))
    assert "corners" not in [link.get("data-toggle") for link in elements.all("a")]
    assert not [path for path in elements.all("path") if "corner" in str(path.get("class"))]


def test_every_box_has_a_shape_with_its_name_and_a_row() -> None:
    elements = Elements(page())
    shapes = [group for group in elements.all("g") if "data-row" in group]
    assert [(one["data-row"], one["aria-label"]) for one in shapes if "tabindex" in one] == [
        ("0", "cat, box 0, object, reference of the scale"), ("1", "cat, box 1, ignored, crowd box"),
    ]  # fmt: skip
    assert {one["data-row"] for one in shapes} == {row["data-row"] for row in elements.all("tr") if "data-row" in row}


@pytest.mark.parametrize("field", ["dataset_name", "config", "category_names"])
def test_names_are_escaped(field: str) -> None:
    evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{ 7 * 7 }}"
    if field == "category_names":
        html = page(known=facts(boxes=[box(0, "object", evil)]))
        plain = Elements(page(known=facts(boxes=[box(0, "object")])))
    else:
        html, plain = page(dataset_name=evil) if field == "dataset_name" else page(config=evil), Elements(page())
    dirty = Elements(html)
    assert [tag for tag, _ in dirty.found] == [tag for tag, _ in plain.found]
    assert not any("onerror" in attributes for _, attributes in dirty.found)
    assert "&lt;script&gt;" in html
    assert "{{ 7 * 7 }}" in html


@pytest.mark.parametrize(("number", "kept"), [(0, {"s", "e"}), (-1, {"S", "E"})])
def test_no_link_leads_beyond_the_first_or_last_seed_and_epoch(number: int, kept: set[str]) -> None:
    key = SampleKey(number % SEED_LIMIT, number % EPOCH_LIMIT, 3)
    html = bytes(sample_page(page_request("/explore/3"), replace(shown(), key=key), facts()).body).decode()
    assert {link.get("data-key") for link in Elements(html).all("a")} & set("sSeE") == kept


def test_every_field_of_the_form_has_a_label() -> None:
    elements = Elements(page())
    labelled = {label["for"] for label in elements.all("label") if "for" in label}
    assert {field["id"] for field in (*elements.all("input"), *elements.all("select")) if "id" in field} == labelled


def test_the_page_of_a_sample_that_cannot_be_made_says_why_and_leads_to_others() -> None:
    request = page_request("/explore/3", "seed=7&epoch=1")
    response = problem_page(request, shown(), "139.jpg: missing", 500)
    html = bytes(response.body).decode()
    assert response.status_code == 500
    assert "This sample cannot be shown: 139.jpg: missing" in html
    assert "/explore/4?seed=7&epoch=1&augment=true" in targets(html)
    assert not Elements(html).all("figure")


def test_another_dataset_is_a_link_to_the_same_index_or_to_its_last_image() -> None:
    here = shown(7)
    specs = {name: replace(here.spec, dataset_name=name, size=total) for name, total in (("a", 10), ("b", 8), ("c", 6))}
    here = replace(here, spec=specs["a"], datasets=tuple(specs.values()), search="category=cat")
    html = bytes(sample_page(page_request("/explore/7", "dataset=a"), here, facts()).body).decode()
    links = {
        link["id"]: link["href"] for link in Elements(html).all("a") if (link.get("id") or "").startswith("dataset-")
    }
    assert links == {
        "dataset-a": "/explore/7?dataset=a&seed=7&epoch=1&augment=true",
        "dataset-b": "/explore/7?dataset=b&seed=7&epoch=1&augment=true",
        "dataset-c": "/explore/5?dataset=c&seed=7&epoch=1&augment=true",
    }
