"""The page that shows what a changed config would make of a sample, next to the served one."""

from collections.abc import Sequence

from fastapi import Request
from fastapi.responses import HTMLResponse

from sampler.config.export import ExportedConfig
from service.access.paths import root_of
from service.explorer.config_changes.changes import file_name
from service.explorer.shell.templates import page
from service.explorer.side_by_side.differences import STATES
from service.explorer.side_by_side.layers import telling_layers
from service.explorer.side_by_side.pair import Pair
from service.explorer.side_by_side.urls import VariantUrls
from service.explorer.what_if.controls import grouped_controls
from service.explorer.what_if.links import WhatIfLinks
from service.explorer.what_if.state import WhatIfState
from service.lifespan.state import ServedDataset


def what_if_page(
    request: Request, state: WhatIfState, datasets: Sequence[ServedDataset], pair: Pair, exported: ExportedConfig | None
) -> HTMLResponse:
    """Return the page.

    Args:
        request: The request for it.
        state: What to show.
        datasets: All datasets of the server.
        pair: The served sample and the changed one, which is missing if the changes are invalid.
        exported: The changed config as a file; None if the changes are invalid.
    """
    root, dataset, changes = root_of(request.scope), state.dataset, state.changes
    urls = VariantUrls(root, dataset.spec, state.index, state.layers)
    links = WhatIfLinks(root, datasets, state)
    layers = telling_layers(pair.facts) if state.layers is None else state.layers
    return page(
        request,
        "what_if/page.html",
        title=f"What if · sample {state.index} · {dataset.title}",
        status=pair.status,
        scripts=("side_by_side/live.js", "what_if/page.js"),
        styles=("sample/boxes.css", "side_by_side/samples.css", "what_if/page.css"),
        dataset=dataset,
        state=state,
        links=links,
        groups=grouped_controls(changes),
        changes=changes,
        samples=pair.shown(("Served", "What if"), layers, urls),
        toggles=pair.toggles(layers, links.layers),
        found=pair.differences(dataset.folders),
        words=STATES,
        exported=exported,
        file_name=file_name(changes.config or dataset.spec.config),
    )
