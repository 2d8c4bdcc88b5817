"""A server's page with statistics."""

from pathlib import Path

import httpx
import pytest

from sampler.config.presets import preset
from sampler.dataset.dataset import open_dataset
from sampler.survey.sampling import survey_keys, survey_samples
from sampler.survey.statistics import survey_statistics
from tests.support.live_server import LiveServer
from tests.support.pages import Elements


def stats(server: LiveServer, **parameters: object) -> httpx.Response:
    return httpx.get(f"{server.url}/stats", params=parameters, timeout=60)  # type: ignore[arg-type] # numbers and texts


def test_the_page_has_the_numbers_of_the_samples_that_the_server_sends(
    server: LiveServer, scenes: tuple[Path, Path], tmp_path: Path
) -> None:
    dataset, config = open_dataset(*scenes, tmp_path), preset("cornernet_saccade")
    keys = survey_keys(len(dataset), 7, 2, 600)  # several jobs for workers
    found = survey_statistics(survey_samples(dataset, config, keys), config, dataset.category_names)
    html = stats(server, seed=7, epoch=2, samples=600).raise_for_status().text
    outcomes = found.outcomes
    for count in (outcomes.boxes, outcomes.objects, outcomes.ignored, outcomes.outside, outcomes.cut_off):
        assert f"{count:,}" in html
    assert html.count("fits theory") == len(found.decisions) == 11
    assert stats(server, seed=7, epoch=2, samples=600).text == html


def test_links_lead_to_as_many_samples_as_the_page_counts(server: LiveServer) -> None:
    page = Elements(stats(server, seed=7, epoch=1, samples=150).raise_for_status().text)
    links = {str(link["href"]): str(link.get("aria-label")) for link in page.all("a")}
    links = {link: label for link, label in links.items() if " samples: " in label}
    assert len(links) >= 4
    for link, label in links.items():
        found, following = 0, [link]
        while following:
            steps = Elements(httpx.get(server.url + following[0], timeout=60).raise_for_status().text)
            found += sum(one.get("class") == "tile" for one in steps.all("a"))
            following = [str(one["href"]) for one in steps.all("a") if one.get("rel") == "next"]
        assert f"{found:,}" == label.partition(" ")[0], link


@pytest.mark.parametrize(("parameters", "field"), [
    ({"samples": 0}, "samples"), ({"samples": 20_001}, "samples"), ({"seed": -1}, "seed"), ({"seeed": 1}, "seeed"),
    ({"epoch": 2**62}, "epoch"), ({"dataset": "other"}, "dataset"),
])  # fmt: skip
def test_wrong_parameters_are_named(server: LiveServer, parameters: dict[str, object], field: str) -> None:
    response = stats(server, **parameters)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_the_page_of_another_digest_is_refused(server: LiveServer) -> None:
    digest = httpx.get(f"{server.url}/v1/spec").json()["digest"]
    html = stats(server, samples=40, digest=digest).raise_for_status().text
    assert f"digest={digest}&amp;state=object&amp;size=small" in html
    assert stats(server, samples=40, digest="0" * 32).status_code == 412


def test_head_makes_nothing(server: LiveServer) -> None:
    response = httpx.head(f"{server.url}/stats", params={"samples": 20_000, "seed": 99}, timeout=60)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"].startswith("text/html")
    assert httpx.head(f"{server.url}/stats", params={"epoch": 2**62}, timeout=60).status_code == 422
