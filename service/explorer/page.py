"""The HTML page to browse samples."""

import secrets
from collections.abc import Sequence
from functools import cache
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT, SampleKey
from service.explorer.picture.picture import WIDTH


@cache
def _template() -> Template:
    loader = PackageLoader("service.explorer", package_path="")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("page.html")


def explorer_page(
    key: SampleKey,
    *,
    augment: bool,
    total: int,
    config: str,
    dataset_name: str,
    category_names: Sequence[str],
    root: str = "",
) -> str:
    """Return a self-contained HTML page that shows one sample's picture, with links to others.

    Args:
        key: The sample. The first and the last one of the dataset are neighbours.
        augment: Whether the sample is augmented.
        total: Number of samples in the dataset.
        config: Name of the config.
        dataset_name: Shown as it is; all names are escaped.
        category_names: Shown as a list.
        root: The path under which a proxy serves the server, such as "/sampler"; every link begins with it.
    """

    def link(path: str, index: int = key.index, epoch: int = key.epoch, augment: bool = augment) -> str:
        query = urlencode({"seed": key.seed, "epoch": epoch, "augment": str(augment).lower()})
        return f"{root}/{path.format(index % total)}?{query}"

    return _template().render(
        root=root,
        index=key.index,
        seed=key.seed,
        epoch=key.epoch,
        augment=augment,
        total=total,
        config=config,
        dataset_name=dataset_name,
        category_names=category_names,
        picture_width=WIDTH,
        last_seed=SEED_LIMIT - 1,
        last_epoch=EPOCH_LIMIT - 1,
        picture=link("debug/samples/{}.png"),
        document=link("debug/samples/{}"),
        previous_sample=link("explore/{}", key.index - 1),
        next_sample=link("explore/{}", key.index + 1),
        random_sample=link("explore/{}", secrets.randbelow(total)),
        next_epoch=link("explore/{}", epoch=(key.epoch + 1) % EPOCH_LIMIT),
        other_augmentation=link("explore/{}", augment=not augment),
    )
