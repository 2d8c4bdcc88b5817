"""Two samples of an image side by side, and pictures of samples of other configs than the served one."""

import asyncio
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from sampler.config.schema import SamplerConfig
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
from service.explorer.compare.state import DEFAULT_LAYERS, EPOCHS, Comparison
from service.explorer.sample.contents import SampleContents, media_type_of
from service.explorer.sample.layer_choice import layers_of_text
from service.explorer.sample.layer_names import check_layer
from service.explorer.side_by_side.made import facts_or_problem
from service.explorer.side_by_side.sides import OF_DATASET, SERVED, Side, config_of_side, named_configs, view_job
from service.lifespan.state import CurrentServing, ServedDataset, Serving
from service.routes.samples import LAYERS, LayerName
from service.routes.view_response import JPEG, get_view, view_response
from service.workers.protocol import ViewJob

router = APIRouter(tags=["explorer"], dependencies=[Depends(refuse_repeated)])

ConfigName = Annotated[str | None, Field(description="`served`, a built-in config, or `dataset:NAME`")]
ChangesText = Annotated[str | None, Field(description="changes of the config, such as `min_scale=32&gaussian_iou=0.3`")]
Zoom = Annotated[Literal[1, 2, 4], FROM_URL, Field(description="zoom of both sides")]


class SideParameters(SampleViewParameters):
    """A sample of the served config or of another one; its index is in the path."""

    config: ConfigName = None
    changes: ChangesText = None

    @property
    def names_all(self) -> bool:
        """Whether the URL names all that the response depends on: digests do not cover another dataset's config."""
        return super().names_all and not (self.config or "").startswith(OF_DATASET)

    @property
    def side(self) -> Side:
        """The side of a comparison that they describe."""
        return Side(self.seed, self.epoch, self.augment, self.config or SERVED, self.changes or "")


class CompareParameters(ImageParameters):
    """Two samples of an image. `seed` and `epoch` are those of a side that has none."""

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

    def side(self, name: Literal["left", "right"]) -> Side:
        """Return a side. What is not said of the right one is as on the left; if nothing is, it is the next epoch."""
        given = {
            part: value
            for part in ("seed", "epoch", "augment", "config", "changes")
            if (value := getattr(self, f"{name}_{part}")) is not None
        }
        if name == "left":
            return Side(**{"seed": self.seed, "epoch": self.epoch, **given})
        left = self.side("left")
        if not given:
            return left.next_epoch()
        return Side(**{"seed": left.seed, "epoch": left.epoch, "augment": left.augment, **given})


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
    from service.explorer.compare.page import Served, compare_page  # loads Jinja, which no other request needs

    dataset = serving.dataset(parameters.dataset)
    index = select_image(parameters.index, parameters, dataset.spec)
    layers = layers_of_text(parameters.layers)
    state = Comparison(
        dataset.spec.dataset_name, index, parameters.side("left"), parameters.side("right"),
        DEFAULT_LAYERS if layers is None else layers, parameters.zoom, parameters.first_epoch,
    )  # fmt: skip
    configs = named_configs(dataset, serving.datasets)
    sides = config_of_side(state.left, configs, "left_"), config_of_side(state.right, configs, "right_")
    left_job, right_job = (
        view_job("layers", dataset, index, side, config)
        for side, config in zip((state.left, state.right), sides, strict=True)
    )
    left, right, strip = await asyncio.gather(
        facts_or_problem(get_view(request, serving, left_job)),
        facts_or_problem(get_view(request, serving, right_job)),
        get_view(request, serving, _strip_job(dataset, state, sides[0])),
    )
    served = Served(dataset, serving.datasets, configs)
    # In a thread, so that streams go on: an image may have thousands of boxes.
    return await asyncio.to_thread(compare_page, request, served, state, sides, (left, right), Survey.from_bytes(strip))


def _strip_job(dataset: ServedDataset, state: Comparison, config: SamplerConfig) -> ViewJob:
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
    index: PathIndex, parameters: Annotated[SideParameters, Query()], request: Request, serving: CurrentServing
) -> Response:
    """The crop with its boxes and corners, at most 320 pixels wide and high."""
    dataset = serving.dataset(parameters.dataset)
    job = _side_job("thumbnail", index, parameters, dataset, serving)
    return await view_response(request, serving, dataset, job, JPEG, names_all=parameters.names_all)


@router.get(
    "/compare/{index}/layers/{name}",
    summary="A layer of a sample of another config",
    responses=LAYERS | NOT_MODIFIED | problems(*SAMPLES),
    response_class=Response,
)
async def layer(
    index: PathIndex, name: LayerName, parameters: Annotated[SideParameters, Query()], request: Request,
    serving: CurrentServing,
) -> Response:  # fmt: skip
    """`original`, `crop`, `input`, or the name of a target array. All layers of a sample are made at once."""
    dataset = serving.dataset(parameters.dataset)
    job = _side_job("layers", index, parameters, dataset, serving)
    check_layer(name, _config(parameters, dataset, serving), len(dataset.spec.category_names))
    return await view_response(
        request, serving, dataset, job, media_type_of(name), names_all=parameters.names_all, part=name,
        take=lambda view: SampleContents.decode(view).layer(name),
    )  # fmt: skip


def _side_job(kind: str, index: int, parameters: SideParameters, dataset: ServedDataset, serving: Serving) -> ViewJob:
    key = select_sample(index, parameters, dataset.spec)
    return view_job(kind, dataset, key.index, parameters.side, _config(parameters, dataset, serving))


def _config(parameters: SideParameters, dataset: ServedDataset, serving: Serving) -> SamplerConfig:
    return config_of_side(parameters.side, named_configs(dataset, serving.datasets))
