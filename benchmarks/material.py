"""The dataset that is measured on: real COCO images where they are at hand, the demo dataset otherwise."""

from dataclasses import dataclass
from pathlib import Path

from sampler.dataset import Dataset, open_dataset
from service.demo import ensure_demo

COCO = Path(__file__).resolve().parents[2] / "shared" / "coco-tiny"


@dataclass(frozen=True, slots=True)
class Material:
    """A dataset and where it came from."""

    name: str
    annotations: Path
    images: Path
    cache_dir: Path

    def open(self) -> Dataset:
        """Return the dataset, its index built."""
        return open_dataset(self.annotations, self.images, self.cache_dir)


def material(cache_dir: Path) -> Material:
    """Return what there is to measure on."""
    if COCO.is_dir():
        annotations = COCO / "annotations" / "instances_train2017.json"
        return Material("real COCO images", annotations, COCO / "images" / "train2017", cache_dir)
    demo = ensure_demo(cache_dir)
    return Material("the demo dataset", demo.annotations, demo.images, cache_dir)
