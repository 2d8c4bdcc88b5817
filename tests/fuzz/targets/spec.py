"""The spec of a server, as a client reads it."""

import json
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from sampler.array_table import array_table
from sampler.arrays import LAYOUTS
from sampler.config.presets import PRESETS
from sampler.errors import ProtocolError
from sampler.wire.reader import BatchReader
from sampler.wire.spec import ServiceSpec
from tests.fuzz.documents import mutate_value
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target, require


def build(folder: Path) -> Target:
    """Return the target."""
    documents = [
        ServiceSpec(
            "d" * 32, "e" * 32, 17, ("cat", "dög", ""), config, 256, 1 << 20, "val", ("train", "val"), "f" * 32,
            (-1, 5, 90), ("animal", None, "thing"), 70, 4, 3, 2, {"border": "file"},
        ).as_dict()
        for config in PRESETS.values()
    ]  # fmt: skip
    for document in documents:
        run(json.dumps(document).encode())
    return Target(partial(_make, documents), run, (ProtocolError,))


def _make(documents: list[dict[str, Any]], rng: Random) -> bytes:
    document = dict(rng.choice(documents))
    if rng.random() < 0.2:
        return mutate(json.dumps(document).encode(), rng)
    del document["arrays"]  # not read, and most of the document
    if rng.random() < 0.6:
        part = rng.choice(("dataset", "config", "limits", "datasets", "origins"))
        return json.dumps({**document, part: mutate_value(document[part], rng)}).encode()
    return json.dumps(mutate_value(document, rng)).encode()


def run(data: bytes) -> None:
    """Read a spec, make what a client makes of it, and read it again from its document."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("not JSON") from error
    spec = ServiceSpec.parse(document)
    for layout in LAYOUTS:
        array_table(layout, spec.config, spec.categories)
        BatchReader(spec.config, spec.categories, layout)
    require(ServiceSpec.parse(json.loads(json.dumps(spec.as_dict()))) == spec, "another spec when it is read again")
    hash(spec)
