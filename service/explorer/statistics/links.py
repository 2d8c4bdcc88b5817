"""Links from statistics to the samples that they count."""

from service.explorer.shell.links import query
from service.explorer.shell.parameters import BATCH_SIZE
from service.explorer.statistics.parameters import StatisticsParameters


class LinksToSteps:
    """Links to the pages of steps, from the first sample of the statistics on."""

    def __init__(self, root: str, dataset_name: str | None, size: int, parameters: StatisticsParameters) -> None:
        """size: N, the number of images."""
        step, first = divmod(parameters.epoch * size, BATCH_SIZE)
        self._parameters: dict[str, object] = {
            "dataset": dataset_name,
            "seed": parameters.seed,
            "augment": parameters.augment,
            "digest": parameters.digest,
            "pixels": parameters.pixels,
            "first": first or None,
        }
        self._page = f"{root}/steps/{step}"

    def to(self, **properties: object) -> str:
        """Return the link to samples that have properties, by the names of these pages' parameters."""
        return self._page + query(self._parameters | properties)
