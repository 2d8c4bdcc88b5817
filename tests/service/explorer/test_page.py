"""The page to browse samples."""

from dataclasses import replace
from typing import Any

import pytest

from sampler.config.presets import preset
from sampler.stream.keys import SampleKey
from sampler.wire.spec import ServiceSpec
from service.explorer.sample.page import explorer_page
from tests.support.pages import Elements, page_request


def page(index: int = 3, **changed: Any) -> str:
    values: dict[str, Any] = {
        "total": 10, "config": "cornernet_saccade", "dataset_name": "demo", "category_names": ("cat", "dog"),
    } | changed  # fmt: skip
    config = replace(preset("cornernet_saccade"), name=values["config"])
    spec = ServiceSpec("", "", values["total"], values["category_names"], config, 1024, 1 << 20)
    request = page_request(f"/explore/{index}", "seed=7&epoch=1")
    response = explorer_page(request, SampleKey(7, 1, index), spec, values["dataset_name"], augment=True)
    return bytes(response.body).decode()


def test_the_page_shows_the_picture_and_links_to_other_samples_and_documents() -> None:
    elements = Elements(page())
    query = "?seed=7&epoch=1&augment=true"
    assert elements.all("img")[1]["src"] == f"/debug/samples/3.png{query}"
    targets = {link["href"] for link in elements.all("a")}
    assert {f"/explore/2{query}", f"/explore/4{query}", f"/debug/samples/3{query}"} <= targets
    assert {"/docs", "/metrics", "/v1/spec", "/explore/3?seed=7&epoch=2&augment=true"} <= targets
    assert "/explore/3?seed=7&epoch=1&augment=false" in targets


@pytest.mark.parametrize(("index", "previous", "following"), [(0, 9, 1), (9, 8, 0)])
def test_the_first_and_the_last_sample_are_neighbours(index: int, previous: int, following: int) -> None:
    links = {link["rel"]: link["href"] for link in Elements(page(index)).all("a") if "rel" in link}
    assert str(links["prev"]).startswith(f"/explore/{previous}?")
    assert str(links["next"]).startswith(f"/explore/{following}?")


def test_the_random_link_leads_to_a_sample_of_the_dataset() -> None:
    found = {
        link["href"] for _ in range(200) for link in Elements(page(total=3)).all("a") if link.get("id") == "random"
    }
    assert found == {f"/explore/{index}?seed=7&epoch=1&augment=true" for index in range(3)}


@pytest.mark.parametrize("field", ["dataset_name", "config", "category_names"])
def test_names_are_escaped(field: str) -> None:
    evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{ 7 * 7 }}"
    html = page(3, **{field: (evil,) if field == "category_names" else evil})
    dirty = Elements(html)
    plain = Elements(page(category_names=("cat",)) if field == "category_names" else page())
    assert [tag for tag, _ in dirty.found] == [tag for tag, _ in plain.found]
    assert not any("onerror" in attributes for _, attributes in dirty.found)
    assert "&lt;script&gt;" in html
    assert "{{ 7 * 7 }}" in html


def test_every_input_has_a_label_and_the_picture_a_description() -> None:
    elements = Elements(page())
    labelled = {label["for"] for label in elements.all("label")}
    assert {field["id"] for field in (*elements.all("input"), *elements.all("select"))} == labelled
    assert "seed 7" in str(elements.all("img")[1]["alt"])


def test_the_page_asks_for_the_cause_if_there_is_no_picture() -> None:
    html = page()
    [place] = [element for element in Elements(html).all("p") if element.get("id") == "problem"]
    assert place == {"id": "problem", "role": "alert", "hidden": None}
    [place] = [element for element in Elements(html).all("div") if element.get("id") == "picture"]
    assert place["data-document"] == "/debug/samples/3?seed=7&epoch=1&augment=true"
