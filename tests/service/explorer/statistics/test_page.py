"""The page with statistics of many samples."""

import re
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

from sampler.config.presets import preset
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard
from sampler.survey.sampling import survey_keys, survey_samples
from sampler.survey.statistics import Statistics, survey_statistics
from sampler.wire.spec import ServiceSpec
from service.demo.dataset import DemoDataset
from service.explorer.statistics.links import LinksToSteps
from service.explorer.statistics.page import before_and_after, statistics_page
from service.explorer.statistics.parameters import StatisticsParameters
from service.explorer.statistics.plots import BOTTOM, LEFT, RIGHT, TOP, plot
from service.explorer.steps.parameters import StepParameters, sample_filter
from service.lifespan.state import ServedDataset
from tests.support.pages import Elements, page_request

CONFIG = replace(preset("cornernet_saccade"), max_objects=4)


@pytest.fixture(scope="module")
def dataset(demo: DemoDataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(demo.annotations, demo.images, tmp_path_factory.mktemp("cache"))


def spec_of(dataset: Dataset, names: tuple[str, ...]) -> ServiceSpec:
    ids = tuple(range(1, len(names) + 1))
    return ServiceSpec("", "", len(dataset), names, CONFIG, 1024, 1 << 20, category_ids=ids)


def page(dataset: Dataset, parameters: StatisticsParameters, names: tuple[str, ...] = ()) -> tuple[str, Statistics]:
    keys = survey_keys(len(dataset), parameters.seed, parameters.epoch, parameters.samples)
    survey = survey_samples(dataset, CONFIG, keys, parameters.augment)
    names = names or dataset.category_names
    found = survey_statistics(survey, CONFIG, names, parameters.augment)
    served = ServedDataset(0, "demo", spec_of(dataset, names))
    response = statistics_page(page_request("/stats"), served, parameters, found)
    return bytes(response.body).decode(), found


def test_every_plot_has_a_title_a_description_and_its_numbers_as_a_table(dataset: Dataset) -> None:
    html, found = page(dataset, StatisticsParameters(samples=300))
    plots = Elements(html).all("svg")
    charts = [one for one in plots if one.get("class") == "chart"]
    assert len(charts) == 6 + len(found.decisions) == 17
    for chart in charts:
        for name in (chart["aria-labelledby"], chart["aria-describedby"]):
            assert f'id="{name}"' in html
    assert html.count("<details>") == len(charts) + 1  # of the categories beyond the first ones
    for count in found.sizes.after.counts:
        assert f'<td class="number">{count:,}</td>' in html


def test_numbers_and_bars_link_to_the_samples_that_they_count(dataset: Dataset) -> None:
    html, _ = page(dataset, StatisticsParameters(seed=7, epoch=3, samples=300))
    targets = {str(link["href"]) for link in Elements(html).all("a") if "href" in link}
    step, first = divmod(3 * len(dataset), 48)
    counted = f"positions={3 * len(dataset)}-{3 * len(dataset) + 299}"
    begin = f"/steps/{step}?seed=7&augment=true&{counted}{f'&first={first}' if first else ''}&"
    for query in (
        "state=object", "state=ignored", "state=outside", "cut_off=true", "untagged=true", "crowd=true", "empty=true",
        "state=object&size=small", "category=person", "state=object&min_side=32&side_below=45.26",
    ):  # fmt: skip
        assert begin + query in targets


def test_a_bar_leads_to_as_many_boxes_as_it_counts(dataset: Dataset) -> None:
    parameters = StatisticsParameters(epoch=1, samples=300)
    survey = survey_samples(dataset, CONFIG, survey_keys(len(dataset), 0, 1, 300))
    found = survey_statistics(survey, CONFIG, dataset.category_names)
    spec = spec_of(dataset, dataset.category_names)
    sizes, *figures = before_and_after(found, LinksToSteps("", None, len(dataset), parameters))
    longer = next(one for one in figures if one.plot.title == "Longer side")
    linked = [row for row in (*sizes.rows, *longer.rows) if row.link]
    assert sum(int(row.cells[2].replace(",", "")) for row in linked) == 2 * found.outcomes.objects
    for row in linked:
        shown = StepParameters.model_validate(dict(parse_qsl(urlsplit(row.link).query)))
        boxes = sample_filter(shown, spec).matching_boxes(survey)
        assert f"{np.count_nonzero(boxes):,}" == row.cells[2]


def test_the_plot_of_numbers_of_boxes_counts_samples_and_not_images(dataset: Dataset) -> None:
    html, _ = page(dataset, StatisticsParameters(samples=300))
    assert "Bars: shares of the images of 300 samples, median" in html
    assert "300 images" not in html


def test_statistics_begin_where_their_links_begin(dataset: Dataset) -> None:
    parameters = StatisticsParameters(epoch=1, samples=10)
    link = urlsplit(LinksToSteps("", None, len(dataset), parameters).to())
    first = int(dict(parse_qsl(link.query)).get("first", 0))
    place = StreamPlace(int(link.path.rpartition("/")[2]), Shard(48), first)
    assert place.keys(len(dataset), 0, 10) == survey_keys(len(dataset), 0, 1, 10)


def test_without_augmentation_there_is_no_theory(dataset: Dataset) -> None:
    html, _ = page(dataset, StatisticsParameters(samples=50, augment=False))
    assert "theory" not in html
    assert "without augmentation" in html
    assert "after augmentation" not in html.lower()
    assert "Bars: shares of" in html


def test_a_category_whose_name_occurs_twice_is_linked_by_its_id(dataset: Dataset) -> None:
    html, found = page(dataset, StatisticsParameters(samples=50), ("cat",) * dataset.category_count)
    linked = {one.number for one in found.categories if one.objects + one.ignored}
    targets = [str(link["href"]) for link in Elements(html).all("a") if "category=" in str(link.get("href"))]
    assert {int(target.partition("category=")[2]) for target in targets} == linked
    assert len(linked) > 1


def test_names_of_categories_are_escaped(dataset: Dataset) -> None:
    evil = "\"><script>alert(1)</script>'{{ 7 * 7 }}"
    html, _ = page(dataset, StatisticsParameters(samples=50), (evil,) * dataset.category_count)
    assert "<script>alert" not in html
    assert "{{ 7 * 7 }}" in html


def test_a_page_has_no_inline_styles_or_scripts_which_its_policy_forbids(dataset: Dataset) -> None:
    html, _ = page(dataset, StatisticsParameters(samples=50))
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style", html)


def test_bars_and_line_of_a_plot_lie_in_its_area() -> None:
    drawn = plot(
        "x", "X", "", ["a", "b", "c"], [0.1, 0.5, 0.0], [0.2, 0.3, 0.53], ("one", "other"), ["0", "", "2", "3"]
    )
    assert [bar.text for bar in drawn.bars][1] == "b: one 50.0%, other 30.0%"
    assert all(bar.x >= LEFT and bar.x + bar.width <= RIGHT and TOP <= bar.y <= BOTTOM for bar in drawn.bars)
    assert all(bar.y + bar.height == pytest.approx(BOTTOM) for bar in drawn.bars)
    assert [label.text for label in drawn.values] == ["0%", "20%", "40%", "60%"]
    assert [(label.text, label.place) for label in drawn.places] == [("0", LEFT), ("2", 274.67), ("3", RIGHT)]
    ys = [float(y) for y in re.findall(r"V([\d.]+)", drawn.line)]
    assert min(ys) >= TOP
    assert ys[-1] == BOTTOM


@pytest.mark.parametrize(("highest", "labels"), [
    (0.0, ["0.0%", "0.5%", "1.0%"]), (0.002, ["0.0%", "0.5%", "1.0%"]), (0.03, ["0.0%", "1.0%", "2.0%", "3.0%"]),
    (0.07, ["0%", "2%", "4%", "6%", "8%"]), (1.0, ["0%", "50%", "100%"]),
])  # fmt: skip
def test_a_plot_has_a_few_round_grid_lines_up_to_its_highest_value(highest: float, labels: list[str]) -> None:
    drawn = plot("x", "X", "", ["a"], [highest], [0.0], ("one", "other"))
    assert [label.text for label in drawn.values] == labels
    assert drawn.bars[0].y >= TOP
