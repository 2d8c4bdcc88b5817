"""The page of one sample, its layers, and its files to download."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sampler.errors import InvalidRequestError
from sampler.wire.problem_types import PROBLEM_TYPES
from service.access.paths import root_of
from service.batches.parameters import (
    DECIMAL,
    PathIndex,
    SamplePageParameters,
    SampleParameters,
    SampleViewParameters,
    refuse_repeated,
)
from service.batches.selection import select_place, select_sample
from service.contract.responses import NOT_MODIFIED, SAMPLES, Responses, binary, document, problems
from service.errors.problems import ServiceError
from service.explorer.sample.contents import SAMPLE_PROBLEMS, SampleContents, layer_of, media_type_of
from service.explorer.sample.layer_choice import layers_of_text
from service.explorer.sample.layer_names import check_layer, check_layers
from service.explorer.shell.links import query
from service.lifespan.state import CurrentServing, ServedDataset, Serving
from service.routes.view_response import get_view, rendered, view_response
from service.workers.protocol import ViewJob

router = APIRouter(tags=["explorer"], dependencies=[Depends(refuse_repeated)])

Parameters = Annotated[SampleViewParameters, Query()]
LayerName = Annotated[str, Path(description="name of a layer, as on the page")]

LAYERS: Responses = {
    200: {
        "description": "the layer",
        "content": {
            kind: {"schema": {"type": "string", "contentMediaType": kind}} for kind in ("image/png", "image/jpeg")
        },
    }
}
NPZ = "application/zip"
JSON = "application/json"


@router.get("/explore", include_in_schema=False)
async def choose(request: Request) -> Response:
    """Redirect to the sample that a form names. Without scripts, a browser cannot put its index into the path."""
    # An empty index is none, but no layers are a choice.
    values = {name: text for name, text in request.query_params.items() if text or name == "layers"}
    index = values.pop("index", "0")
    if not DECIMAL.fullmatch(index):
        raise InvalidRequestError("index", index, "an integer")
    return RedirectResponse(f"{root_of(request.scope)}/explore/{index}{query(values)}")


@router.get(
    "/explore/{index}",
    response_class=HTMLResponse,
    responses=problems(*SAMPLES),
    summary="A page to browse samples",
)
async def explore(
    index: PathIndex, parameters: Annotated[SamplePageParameters, Query()], request: Request, serving: CurrentServing
) -> Response:
    """Layers of a sample, its boxes and its recipe, with links to others: of the dataset, or of a step's stream."""
    from service.explorer.sample.page import (  # loads Jinja, which few requests need
        SamplePageState,
        problem_page,
        sample_page,
    )

    dataset, job = _job("layers", index, parameters, serving)
    [key] = job.keys
    place = select_place(key, parameters, dataset.spec)
    layers = layers_of_text(parameters.layers)
    check_layers(layers, dataset.spec)
    specs = tuple(one.spec for one in serving.datasets)
    state = SamplePageState(
        dataset.spec, dataset.title, key, parameters.augment, place, parameters.search,
        layers, specs, dataset.folders,
    )  # fmt: skip
    try:
        view = await get_view(request, serving, job)
    except ServiceError as error:
        if error.kind not in SAMPLE_PROBLEMS:
            raise
        return problem_page(request, state, str(error), PROBLEM_TYPES[error.kind].status)
    return await rendered(request, serving, lambda: sample_page(request, state, SampleContents.decode(view).facts))


@router.get(
    "/explore/{index}/layers/{name}",
    response_class=Response,
    responses=LAYERS | NOT_MODIFIED | problems(*SAMPLES),
    summary="One layer of the page of a sample",
)
async def layer(
    index: PathIndex, name: LayerName, parameters: Parameters, request: Request, serving: CurrentServing
) -> Response:
    """`original`, `crop`, `input`, or the name of a target array. All layers of a sample are made at once."""
    dataset, job = _job("layers", index, parameters, serving)
    check_layer(name, dataset.spec.config, len(dataset.spec.category_names))
    return await view_response(
        request, serving, dataset, job, media_type_of(name), names_all=parameters.names_all, part=name,
        take=lambda view: layer_of(view, name),
    )  # fmt: skip


@router.get(
    "/explore/{index}/arrays.npz",
    response_class=Response,
    responses=binary(NPZ, "NumPy's archive of arrays") | NOT_MODIFIED | problems(*SAMPLES),
    summary="The arrays of a sample as a file of NumPy",
)
async def arrays(index: PathIndex, parameters: Parameters, request: Request, serving: CurrentServing) -> Response:
    """The crop and all dense arrays, as `saccade-sampler replay` writes them, and `seed`, `epoch` and `index`."""
    return await _download("npz", NPZ, "npz", index, parameters, request, serving)


@router.get(
    "/explore/{index}/recipe.json",
    response_class=Response,
    responses=document(JSON, {"type": "object"}, "the recipe") | NOT_MODIFIED | problems(*SAMPLES),
    summary="The recipe of a sample, for `saccade-sampler replay`",
)
async def recipe(index: PathIndex, parameters: Parameters, request: Request, serving: CurrentServing) -> Response:
    """The document that `saccade-sampler recipe` prints."""
    return await _download("recipe", JSON, "recipe.json", index, parameters, request, serving)


async def _download(
    kind: str,
    media_type: str,
    suffix: str,
    index: int,
    parameters: SampleViewParameters,
    request: Request,
    serving: Serving,
) -> Response:
    dataset, job = _job(kind, index, parameters, serving)
    plain = "" if parameters.augment else "-plain"
    name = f"sample-seed{parameters.seed}-epoch{parameters.epoch}-index{index}{plain}.{suffix}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return await view_response(
        request, serving, dataset, job, media_type, names_all=parameters.names_all, headers=headers
    )


def _job(kind: str, index: int, parameters: SampleParameters, serving: Serving) -> tuple[ServedDataset, ViewJob]:
    """Return the dataset that a request names, and the job for a view of its sample."""
    dataset = serving.dataset(parameters.dataset)
    key = select_sample(index, parameters, dataset.spec)
    return dataset, ViewJob(kind, dataset.number, (key,), parameters.augment)
