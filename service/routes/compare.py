"""Two samples of an image side by side, and pictures of samples of other configs than the served one."""

import asyncio
from dataclasses import fields, replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from sampler.config_schema import SamplerConfig
from sampler.stream.keys import EPOCH_LIMIT, SampleKey
from sampler.survey.survey import Survey
from service.batches.parameters import (
    FROM_URL,
    Augment,
    Epoch,
    ImageParameters,
    Index,
    PathIndex,
    SampleViewParameters,
    Seed,
    ShownLayers,
    refuse_repeated,
)
from service.batches.selection import select_image, select_sample
from service.contract.responses import NOT_MODIFIED, SAMPLES, binary, problems
from service.explorer.compare.state import DEFAULT_LAYERS, EPOCHS, CompareState
from service.explorer.sample.contents import layer_of, media_type_of
from service.explorer.sample.layer_choice import layers_of_text
from service.explorer.sample.layer_names import check_layer, check_layers
from service.explorer.side_by_side.variants import (
    OF_DATASET,
    SERVED,
    Variant,
    config_of_variant,
    named_configs,
    view_job,
)
from service.lifespan.state import CurrentServing, ServedDataset, Serving
from service.routes.pair import get_pair
from service.routes.samples import LAYERS, LayerName
from service.routes.view_response import JPEG, get_view, rendered, view_response
from service.workers.protocol import ViewJob

router = APIRouter(tags=["explorer"], dependencies=[Depends(refuse_repeated)])

ConfigName = Annotated[str | None, Field(description="`served`, a built-in config, or `dataset:NAME`")]
ChangesText = Annotated[str | None, Field(description="changes of the config, such as `min_scale=32&gaussian_iou=0.3`")]
Zoom = Annotated[Literal[1, 2, 4], FROM_URL, Field(description="zoom of both sides")]


class VariantParameters(SampleViewParameters):
    """A sample of the served config or of another one; its index is in the path."""

    config: ConfigName = None
    changes: ChangesText = None

    @property
    def names_all(self) -> bool:
        """Whether the URL names all that the response depends on: digests do not cover another dataset's config."""
        return super().names_all and not (self.config or "").startswith(OF_DATASET)

    @property
    def variant(self) -> Variant:
        """The sample of the image."""
        return Variant(self.seed, self.epoch, self.augment, self.config or SERVED, self.changes or "")


class CompareParameters(ImageParameters):
    """Two samples of an image. `seed` and `epoch` are those of a sample that is not given its own."""

    index: Index = 0
    seed: Seed = 0
    epoch: Epoch = 0
    left_seed: Seed | None = None
    left_epoch: Epoch | None = None
    left_augment: Augment | None = None
    left_config: ConfigName = None
    left_changes: ChangesText = None
    right_seed: Seed | None = None
    right_epoch: Epoch | None = None
    right_augment: Augment | None = None
    right_config: ConfigName = None
    right_changes: ChangesText = None
    layers: ShownLayers = None
    zoom: Zoom = 1
    first_epoch: Epoch | None = None

    @property
    def left(self) -> Variant:
        """The sample on the left."""
        return Variant(**{"seed": self.seed, "epoch": self.epoch, **self._given("left")})

    @property
    def right(self) -> Variant:
        """The sample on the right. It has what it is not given from the left one; if nothing is, the next epoch."""
        left, given = self.left, self._given("right")
        if not given:
            return left.next_epoch()
        return Variant(**{"seed": left.seed, "epoch": left.epoch, "augment": left.augment, **given})

    def _given(self, side: Literal["left", "right"]) -> dict[str, Any]:
        values = {field.name: getattr(self, f"{side}_{field.name}") for field in fields(Variant)}
        return {name: value for name, value in values.items() if value is not None}


@router.get(
    "/compare",
    response_class=HTMLResponse,
    responses=problems(*SAMPLES),
    summary="A page with two samples of an image side by side",
)
async def compare(
    parameters: Annotated[CompareParameters, Query()], request: Request, serving: CurrentServing
) -> Response:
    """Their pictures, what differs between them, and the same image across epochs."""
    from service.explorer.compare.page import Comparable, compare_page  # loads Jinja, which no other request needs

    dataset = serving.dataset(parameters.dataset)
    comparable = Comparable(dataset, serving.datasets, named_configs(dataset, serving.datasets))
    state = _state(parameters, dataset)
    check_layers(state.layers, dataset.spec, comparable.configs.values())
    left = config_of_variant(state.left, comparable.configs, "left_")
    right = config_of_variant(state.right, comparable.configs, "right_")
    pair, strip = await asyncio.gather(
        get_pair(request, serving, dataset, state.index, [(state.left, left), (state.right, right)]),
        get_view(request, serving, _strip_job(dataset, state, left)),
    )
    survey = Survey.from_bytes(strip)
    return await rendered(request, serving, lambda: compare_page(request, comparable, state, pair, survey))


def _state(parameters: CompareParameters, dataset: ServedDataset) -> CompareState:
    layers = layers_of_text(parameters.layers)
    return CompareState(
        dataset=dataset.spec.dataset_name,
        index=select_image(parameters.index, parameters, dataset.spec),
        left=parameters.left,
        right=parameters.right,
        layers=DEFAULT_LAYERS if layers is None else layers,
        zoom=parameters.zoom,
        first_epoch=parameters.first_epoch,
    )


def _strip_job(dataset: ServedDataset, state: CompareState, config: SamplerConfig) -> ViewJob:
    """Return the job of the survey of one image across epochs."""
    epochs = range(state.strip_start, min(state.strip_start + EPOCHS, EPOCH_LIMIT))
    keys = tuple(SampleKey(state.left.seed, epoch, state.index) for epoch in epochs)
    return replace(view_job("survey", dataset, state.index, replace(state.left, augment=True), config), keys=keys)


@router.get(
    "/compare/{index}/thumbnail",
    summary="A small picture of a sample of another config",
    responses=binary(JPEG, "the picture") | NOT_MODIFIED | problems(*SAMPLES),
    response_class=Response,
)
async def thumbnail(
    index: PathIndex, parameters: Annotated[VariantParameters, Query()], request: Request, serving: CurrentServing
) -> Response:
    """The crop with its boxes and corners, at most 320 pixels wide and high."""
    dataset = serving.dataset(parameters.dataset)
    job = _job("thumbnail", index, parameters, dataset, serving)
    return await view_response(request, serving, dataset, job, JPEG, names_all=parameters.names_all)


@router.get(
    "/compare/{index}/layers/{name}",
    summary="A layer of a sample of another config",
    responses=LAYERS | NOT_MODIFIED | problems(*SAMPLES),
    response_class=Response,
)
async def layer(
    index: PathIndex, name: LayerName, parameters: Annotated[VariantParameters, Query()], request: Request,
    serving: CurrentServing,
) -> Response:  # fmt: skip
    """`original`, `crop`, `input`, or the name of a target array. All layers of a sample are made at once."""
    dataset = serving.dataset(parameters.dataset)
    job = _job("layers", index, parameters, dataset, serving)
    check_layer(name, _config(parameters, dataset, serving), len(dataset.spec.category_names))
    return await view_response(
        request, serving, dataset, job, media_type_of(name), names_all=parameters.names_all, part=name,
        take=lambda view: layer_of(view, name),
    )  # fmt: skip


def _job(kind: str, index: int, parameters: VariantParameters, dataset: ServedDataset, serving: Serving) -> ViewJob:
    key = select_sample(index, parameters, dataset.spec)
    return view_job(kind, dataset, key.index, parameters.variant, _config(parameters, dataset, serving))


def _config(parameters: VariantParameters, dataset: ServedDataset, serving: Serving) -> SamplerConfig:
    return config_of_variant(parameters.variant, named_configs(dataset, serving.datasets))
