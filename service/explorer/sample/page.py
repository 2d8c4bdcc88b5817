"""The HTML page to browse samples."""

import secrets
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse

from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT, SampleKey
from sampler.wire.spec import ServiceSpec
from service.access.paths import root_of
from service.explorer.picture.picture import WIDTH
from service.explorer.shell.templates import page


def explorer_page(
    request: Request, key: SampleKey, spec: ServiceSpec, dataset_name: str, *, augment: bool
) -> HTMLResponse:
    """Return the page that shows one sample's picture, with links to others.

    The first and the last sample of the dataset are neighbours.
    """
    root = root_of(request.scope)
    named = {} if spec.dataset_name is None else {"dataset": spec.dataset_name}

    def link(path: str, index: int = key.index, epoch: int = key.epoch, augment: bool = augment) -> str:
        query = urlencode({**named, "seed": key.seed, "epoch": epoch, "augment": str(augment).lower()})
        return f"{root}/{path.format(index % spec.size)}?{query}"

    return page(
        request,
        "sample/page.html",
        title=f"Sample {key.index} · {dataset_name}",
        scripts=("sample/page.js",),
        styles=("sample/page.css",),
        key=key,
        augment=augment,
        spec=spec,
        dataset_name=dataset_name,
        picture_width=WIDTH,
        last_seed=SEED_LIMIT - 1,
        last_epoch=EPOCH_LIMIT - 1,
        picture=link("debug/samples/{}.png"),
        document=link("debug/samples/{}"),
        previous_sample=link("explore/{}", key.index - 1),
        next_sample=link("explore/{}", key.index + 1),
        random_sample=link("explore/{}", secrets.randbelow(spec.size)),
        next_epoch=link("explore/{}", epoch=(key.epoch + 1) % EPOCH_LIMIT),
        other_augmentation=link("explore/{}", augment=not augment),
        spec_link=f"{root}/v1/spec{'?' if named else ''}{urlencode(named)}",
    )
