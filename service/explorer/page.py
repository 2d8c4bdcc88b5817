"""The page on which people leaf through samples."""

import math
from collections.abc import Sequence
from functools import cache
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT
from service.explorer.picture.picture import WIDTH

GOLDEN_SHARE = 0.6180339887498949
"""The leap's share of a dataset: successive leaps spread evenly over it."""


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("service", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("explorer.html")


def explorer_page(
    *,
    index: int,
    seed: int,
    epoch: int,
    augment: bool,
    total: int,
    config: str,
    dataset_name: str,
    category_names: Sequence[str],
    root: str = "",
) -> str:
    """Return a self-contained HTML page that shows one sample's picture, with links to others.

    index: 0 … total−1. Leafing past either end starts over at the other. Names may hold anything; they are escaped.
    root: the path under which a proxy shows the server, such as "/sampler"; every link begins with it.
    """
    same = _query(seed, epoch, augment)
    return _template().render(
        root=root,
        index=index,
        seed=seed,
        epoch=epoch,
        augment=augment,
        total=total,
        config=config,
        dataset_name=dataset_name,
        category_names=category_names,
        picture_width=WIDTH,
        last_seed=SEED_LIMIT - 1,
        last_epoch=EPOCH_LIMIT - 1,
        picture=f"{root}/debug/samples/{index}.png?{same}",
        document=f"{root}/debug/samples/{index}?{same}",
        previous=f"{root}/explore/{(index - 1) % total}?{same}",
        following=f"{root}/explore/{(index + 1) % total}?{same}",
        elsewhere=f"{root}/explore/{(index + leap(total)) % total}?{same}",
        redrawn=f"{root}/explore/{index}?{_query(seed, (epoch + 1) % EPOCH_LIMIT, augment)}",
        otherwise=f"{root}/explore/{index}?{_query(seed, epoch, not augment)}",
    )


def leap(total: int) -> int:
    """Return a stride through `total` samples that visits every one before it comes back, far from the last each time.

    The first number from `GOLDEN_SHARE` of the total up that shares no divisor with it.
    """
    stride = max(1, round(total * GOLDEN_SHARE))
    while math.gcd(stride, total) != 1:
        stride += 1
    return stride


def _query(seed: int, epoch: int, augment: bool) -> str:
    return urlencode({"seed": seed, "epoch": epoch, "augment": "true" if augment else "false"})
