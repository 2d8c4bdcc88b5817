"""The recipe of a sample with everything that it is applied to, as a document that `replay` takes."""

import json
from typing import Any

from sampler.config.digest import sample_digest
from sampler.config_schema import SamplerConfig
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.replay import Case
from sampler.sample.sample import recipe_of
from sampler.stream.keys import SampleKey


def recipe_document(
    dataset: DatasetIndex, config: SamplerConfig, key: SampleKey, *, augment: bool = True
) -> dict[str, Any]:
    """Return key, digest and recorded sample (`Case`) of a key, ready for JSON. Reads no pixels."""
    plain = "" if augment else "-plain"
    label = config.name.replace("\\", "_").lstrip(".")[:80]  # the name of a case is that of a file
    image = dataset.image_of(key)
    drawn = Case(
        name=f"{label}-seed{key.seed}-epoch{key.epoch}-index{key.index}{plain}",
        config=config,
        split="",
        file_name=dataset.file_name(image),
        size=dataset.size(image),
        categories=config.planes(dataset.category_count),
        boxes=dataset.boxes(image, keep_crowd=config.keep_crowd),
        recipe=recipe_of(dataset, config, key, augment=augment),
    )
    digest = sample_digest(dataset.digest, config)
    return {"key": key.as_dict(), "digest": digest, **drawn.as_dict()}


def recipe_text(document: dict[str, Any]) -> str:
    """Return the JSON text of a document, with a line for each of its fields."""
    fields = (f'  "{name}": {json.dumps(value)}' for name, value in document.items())
    return "{\n" + ",\n".join(fields) + "\n}"
