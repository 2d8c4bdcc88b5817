"""The HTML page to browse samples."""

import secrets
from urllib.parse import urlencode

from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT, SampleKey
from sampler.wire.spec import ServiceSpec
from service.explorer.picture.picture import WIDTH
from service.explorer.templates import render, script

SCRIPT = "page.js"


def explorer_page(
    key: SampleKey, spec: ServiceSpec, dataset_name: str, *, augment: bool, root: str = "", may_log_out: bool = False
) -> str:
    """Return a self-contained HTML page that shows one sample's picture, with links to others.

    The first and the last sample of the dataset are neighbours. root: the path under which a proxy serves the server,
    such as "/sampler"; every link begins with it. may_log_out: the server has a token.
    """
    named = {} if spec.dataset_name is None else {"dataset": spec.dataset_name}

    def link(path: str, index: int = key.index, epoch: int = key.epoch, augment: bool = augment) -> str:
        query = urlencode({**named, "seed": key.seed, "epoch": epoch, "augment": str(augment).lower()})
        return f"{root}/{path.format(index % spec.size)}?{query}"

    return render(
        "page.html",
        script=script(SCRIPT),
        root=root,
        may_log_out=may_log_out,
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
