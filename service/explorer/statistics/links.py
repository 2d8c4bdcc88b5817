"""Links from statistics to the samples that they count."""

import math
from urllib.parse import urlencode

from service.explorer.shell.parameters import BATCH_SIZE
from service.explorer.statistics.parameters import StatisticsParameters


class LinksToSteps:
    """Links to the pages of steps, from the first sample of the statistics on."""

    def __init__(self, root: str, dataset_name: str | None, size: int, parameters: StatisticsParameters) -> None:
        """size: N, the number of images."""
        given = {
            "dataset": dataset_name,
            "seed": parameters.seed,
            "augment": str(parameters.augment).lower(),
            "digest": parameters.digest,
            "pixels": parameters.pixels,
        }
        self._parameters = {name: value for name, value in given.items() if value is not None}
        self._page = f"{root}/steps/{parameters.epoch * size // BATCH_SIZE}"

    def to(self, **properties: object) -> str:
        """Return the link to samples that have properties, by the names of these pages' parameters."""
        texts = {name: str(value).lower() if value is True else value for name, value in properties.items()}
        return f"{self._page}?{urlencode(self._parameters | texts)}"

    def to_longer_sides(self, low: float, high: float) -> str:
        """Return the link to samples with a box whose longer side is in a bin; "" if no whole number is."""
        least, most = math.ceil(low), math.ceil(high) - 1
        return self.to(min_side=least, max_side=most) if least <= most else ""
