"""Links from statistics to the samples that they count."""

from service.explorer.shell.links import query
from service.explorer.shell.parameters import BATCH_SIZE
from service.explorer.statistics.parameters import StatisticsParameters


class LinksToSteps:
    """Links to the pages of steps, limited to the samples of the statistics."""

    def __init__(self, root: str, dataset_name: str | None, size: int, parameters: StatisticsParameters) -> None:
        """size: N, the number of images."""
        begin = parameters.epoch * size
        step, first = divmod(begin, BATCH_SIZE)
        self._parameters: dict[str, object] = {
            "dataset": dataset_name,
            "seed": parameters.seed,
            "augment": parameters.augment,
            "positions": f"{begin}-{begin + parameters.samples - 1}",
            "digest": parameters.digest,
            "pixels": parameters.pixels,
            "first": first or None,
        }
        self._page = f"{root}/steps/{step}"

    def to(self, **properties: object) -> str:
        """Return the link to samples that have properties, by the names of these pages' parameters."""
        return self._page + query(self._parameters | properties)
