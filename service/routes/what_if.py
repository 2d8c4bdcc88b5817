"""What a changed config would make of a sample. Nothing here changes what is served."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ConfigDict

from sampler.config.export import as_cornernet_lite
from sampler.errors import InvalidRequestError
from service.batches.parameters import Augment, Epoch, ImageParameters, Index, Seed, ShownLayers, refuse_repeated
from service.batches.selection import select_image
from service.contract.responses import PARAMETERS, SAMPLES, document, problems
from service.explorer.config_changes.changes import Changes, file_name, read_changes
from service.explorer.sample.layer_choice import layers_of_text
from service.explorer.sample.layer_names import check_layers
from service.explorer.side_by_side.variants import Variant
from service.explorer.what_if.state import WhatIfState
from service.lifespan.state import CurrentServing, ServedDataset, Serving
from service.routes.pair import get_pair
from service.routes.view_response import rendered

router = APIRouter(tags=["explorer"], dependencies=[Depends(refuse_repeated)])


class WhatIfParameters(ImageParameters):
    """A sample. All other parameters are changes of the served config, such as `min_scale=32`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    index: Index = 0
    seed: Seed = 0
    epoch: Epoch = 0
    augment: Augment = True
    layers: ShownLayers = None

    @property
    def served(self) -> Variant:
        """The served sample."""
        return Variant(self.seed, self.epoch, self.augment)

    @property
    def changes(self) -> Mapping[str, str]:
        """The changes, by field."""
        return {name: str(text) for name, text in (self.model_extra or {}).items()}


Parameters = Annotated[WhatIfParameters, Query()]


@router.get(
    "/what-if",
    response_class=HTMLResponse,
    responses=problems(*SAMPLES),
    summary="A page with sliders for the config, next to the served sample",
)
async def what_if(parameters: Parameters, request: Request, serving: CurrentServing) -> Response:
    """The served sample, the one of the changed config, and what differs between them."""
    from service.explorer.what_if.page import what_if_page  # loads Jinja, which no other request needs

    dataset, changes = _changes(parameters, serving)
    index = select_image(parameters.index, parameters, dataset.spec)
    layers = layers_of_text(parameters.layers)
    check_layers(layers, dataset.spec)
    state = WhatIfState(dataset, index, parameters.served, changes, layers)
    variants = [(state.served, dataset.spec.config)]
    if changes.config is not None:
        variants.append((state.changed, changes.config))
    pair = await get_pair(request, serving, dataset, index, variants)
    exported = None if changes.config is None else as_cornernet_lite(changes.config)
    return await rendered(request, serving, lambda: what_if_page(request, state, serving.datasets, pair, exported))


@router.get(
    "/what-if/config.json",
    response_class=Response,
    responses=document("application/json", {"type": "object"}, "the config file") | problems(*PARAMETERS),
    summary="A changed config as a file of CornerNet-Lite",
)
async def config_file(parameters: Parameters, serving: CurrentServing) -> Response:
    """A file for `SAMPLER_CONFIG`. Values that such a file cannot give are left out."""
    _, changes = _changes(parameters, serving)
    if changes.config is None:
        name, error = next(iter(changes.errors.items()))
        raise InvalidRequestError(name or "changes", changes.texts.get(name), error.rpartition("expected ")[2])
    headers = {
        "content-disposition": f'attachment; filename="{file_name(changes.config)}"',
        "cache-control": "no-cache",
    }
    return Response(as_cornernet_lite(changes.config).text, headers=headers, media_type="application/json")


def _changes(parameters: WhatIfParameters, serving: Serving) -> tuple[ServedDataset, Changes]:
    dataset = serving.dataset(parameters.dataset)
    return dataset, read_changes(dataset.spec.config, parameters.changes)
