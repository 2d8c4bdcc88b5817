"""The page that shows two samples of an image side by side, and one image across epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import HTMLResponse

from sampler.config_schema import SamplerConfig
from sampler.survey.survey import Survey
from service.access.paths import root_of
from service.explorer.compare.links import CompareLinks
from service.explorer.compare.state import DEFAULT_LAYERS, ZOOMS, CompareState
from service.explorer.compare.strip import epoch_tiles
from service.explorer.sample.layer_choice import text_of_layers
from service.explorer.sample.layer_names import known_layers
from service.explorer.shell.templates import page
from service.explorer.side_by_side.differences import STATES
from service.explorer.side_by_side.pair import Pair
from service.explorer.side_by_side.urls import VariantUrls
from service.explorer.side_by_side.variants import OF_DATASET, SERVED
from service.lifespan.state import ServedDataset


@dataclass(frozen=True, slots=True)
class Comparable:
    """What can be compared.

    Attributes:
        dataset: The dataset of the page.
        datasets: All datasets of the server.
        configs: All configs that a sample may have, by name.
    """

    dataset: ServedDataset
    datasets: Sequence[ServedDataset]
    configs: Mapping[str, SamplerConfig]


def compare_page(
    request: Request, comparable: Comparable, state: CompareState, pair: Pair, strip: Survey
) -> HTMLResponse:
    """Return the page.

    Args:
        request: The request for it.
        comparable: What can be compared.
        state: What to show.
        pair: The samples on the left and on the right.
        strip: The samples of the strip.
    """
    root, dataset = root_of(request.scope), comparable.dataset
    urls = VariantUrls(root, dataset.spec, state.index, known_layers(state.chosen_layers, dataset.spec))
    links = CompareLinks(root, dataset, comparable.datasets, state)
    return page(
        request,
        "compare/page.html",
        title=f"Compare sample {state.index} · {dataset.title}",
        status=pair.status,
        scripts=("side_by_side/live.js",),
        styles=("sample/boxes.css", "side_by_side/samples.css", "compare/page.css"),
        dataset=dataset,
        state=state,
        links=links,
        path=dataset.folders.path(pair.file_name) if pair.file_name else "",
        sides=list(zip(("left", "right"), pair.shown(("Left", "Right"), state.layers, urls), strict=True)),
        config_labels={name: _config_label(name, config) for name, config in comparable.configs.items()},
        found=pair.differences(dataset.folders),
        words=STATES,
        toggles=pair.toggles(state.layers, links.layers),
        usual_layers=text_of_layers(DEFAULT_LAYERS),
        zooms=ZOOMS,
        tiles=list(epoch_tiles(strip, links, urls)),
    )


def _config_label(name: str, config: SamplerConfig) -> str:
    if name == SERVED:
        return f"served: {config.name}"
    if name.startswith(OF_DATASET):
        return f"of {name.removeprefix(OF_DATASET)}: {config.name}"
    return f"built in: {name}"
