"""Where the links of a sample's page lead."""

import secrets
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from sampler.errors import InvalidRequestError
from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT, SampleKey
from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard
from sampler.wire.spec import ServiceSpec
from service.errors.problems import ServiceError
from service.explorer.sample.layer_choice import BOXES, CROP, text_of_layers, toggled
from service.explorer.sample.layer_names import known_layers
from service.explorer.shell.links import key_parameters, named, pins, query
from service.explorer.shell.parameters import BATCH_SIZE
from service.explorer.steps.parameters import Direction
from service.explorer.steps.sample_search import Search

DEFAULT_LAYERS = (CROP, BOXES, "window")
"""The layers that the page of a sample shows unless its URL names others."""


@dataclass(frozen=True, slots=True)
class SampleLinks:
    """The links of the page of a sample.

    Attributes:
        root: The path under which a proxy serves the server; every link begins with it.
        spec: Of the dataset.
        key: Of the sample.
        augment: False for the fixed recipe.
        place: In the stream of a training process, if the page was opened with one.
        search: The query of the page of steps that found the sample, which links to other samples keep.
        layers: Names of the layers that are shown, which links to other samples keep; None for `DEFAULT_LAYERS`.
    """

    root: str
    spec: ServiceSpec
    key: SampleKey
    augment: bool
    place: StreamPlace | None = None
    search: str | None = None
    layers: tuple[str, ...] | None = None

    def page(self, key: SampleKey, augment: bool, place: StreamPlace | None = None) -> str:
        """Return the page of a sample. place: in the stream, which the links of that page then follow."""
        values = self._sample(key, augment) | _shard(place, with_step=True) | self._kept
        return f"{self.root}/explore/{key.index}{query(values)}"

    def file(self, path: str, *, pinned: bool = True) -> str:
        """Return a file of this sample. path: with {} for its index. pinned: let browsers cache it for good."""
        values = self._sample(self.key, self.augment) | (pins(self.spec) if pinned else {})
        return f"{self.root}{path.format(self.key.index)}{query(values)}"

    @property
    def shown_layers(self) -> tuple[str, ...]:
        """Names of the layers that are shown."""
        return DEFAULT_LAYERS if self.layers is None else self.layers

    def toggle(self, layer: str) -> str:
        """Return this page with a layer shown or hidden."""
        layers = toggled(self.shown_layers, layer)
        other = replace(self, layers=None if set(layers) == set(DEFAULT_LAYERS) else layers)
        return other.page(self.key, self.augment, self.place)

    @property
    def previous(self) -> str | None:
        """The sample before this one: in stream order if the page was opened with a place, else in the dataset."""
        return self._neighbour(-1, self.place.before if self.place else None)

    @property
    def next(self) -> str | None:
        """The sample after this one; see `previous`."""
        return self._neighbour(1, self.place.after() if self.place else None)

    @property
    def random(self) -> str:
        """A random sample with the same seed and epoch."""
        return self.page(replace(self.key, index=secrets.randbelow(self.spec.size)), self.augment)

    def other_seed(self, by: int) -> str | None:
        """Return the same image with another seed; None if there is no such seed."""
        seed = self.key.seed + by
        return self.page(replace(self.key, seed=seed), self.augment) if 0 <= seed < SEED_LIMIT else None

    def other_epoch(self, by: int) -> str | None:
        """Return the same image in another epoch; None if there is no such epoch."""
        epoch = self.key.epoch + by
        return self.page(replace(self.key, epoch=epoch), self.augment) if 0 <= epoch < EPOCH_LIMIT else None

    @property
    def other_augmentation(self) -> str:
        """The same image with the fixed recipe, or with a random one."""
        return self.page(self.key, not self.augment, self.place)

    def in_dataset(self, spec: ServiceSpec) -> str:
        """Return the sample of the same index in another dataset, or the last one if that has fewer images."""
        there = replace(self, spec=spec, search=None, layers=known_layers(self.layers, spec))
        return there.page(replace(self.key, index=min(self.key.index, spec.size - 1)), self.augment)

    @property
    def step(self) -> StreamPlace | None:
        """The place of the sample in its step; None if it is beyond the last step."""
        return self.place or StreamPlace.of(self.key, self.spec.size, Shard(BATCH_SIZE))

    @property
    def batch(self) -> str | None:
        """The page of the step that the sample belongs to."""
        if self.step is None:
            return None
        values = named(self.spec) | {"seed": self.key.seed} | _shard(self.step) | {"augment": self.augment}
        return f"{self.root}/steps/{self.step.step}{query(values)}"

    @property
    def found(self) -> str | None:
        """The page with the matches among which the sample was found."""
        return None if self.search is None else f"{self.root}/steps{query(dict(parse_qsl(self.search)))}"

    @property
    def previous_match(self) -> str | None:
        """The sample before this one that the search finds; None if there is none to search."""
        return self._match("previous")

    @property
    def next_match(self) -> str | None:
        """The sample after this one that the search finds; None if there is none to search."""
        return self._match("next")

    @property
    def compare(self) -> str:
        """The page that compares the sample with others of its image; the fixed recipe with the random one."""
        key = {"index": self.key.index, "seed": self.key.seed, "epoch": self.key.epoch}
        sides = {} if self.augment else {"left_augment": False, "right_augment": True}
        layers = {"layers": text_of_layers(self.layers)}
        return f"{self.root}/compare{query(named(self.spec) | key | sides | layers)}"

    @property
    def what_if(self) -> str:
        """The page that makes the sample with a changed config."""
        key = {"index": self.key.index, "seed": self.key.seed, "epoch": self.key.epoch, "augment": self.augment}
        return f"{self.root}/what-if{query(named(self.spec) | key | {'layers': text_of_layers(self.layers)})}"

    @property
    def spec_document(self) -> str:
        """The spec of the dataset."""
        return f"{self.root}/v1/spec{query(named(self.spec))}"

    @property
    def _kept(self) -> dict[str, object]:
        """The parameters that links to other samples keep."""
        return {"layers": text_of_layers(self.layers), "search": self.search}

    def _sample(self, key: SampleKey, augment: bool) -> dict[str, object]:
        return named(self.spec) | key_parameters(key.seed, key.epoch, augment=augment)

    def _neighbour(self, by: int, place: StreamPlace | None) -> str | None:
        if place is not None:
            return self.page(place.key(self.spec.size, self.key.seed), self.augment, place)
        if self.place is not None:  # at an end of the stream
            return None
        return self.page(replace(self.key, index=(self.key.index + by) % self.spec.size), self.augment)

    def _match(self, direction: Direction) -> str | None:
        if self.search is None:
            return None
        try:
            search = Search.of(self.search)
            place = search.place(self.key, self.spec, augment=self.augment)
        except (InvalidRequestError, ServiceError):  # not a sample of the search, or an invalid link
            return None
        values = self._sample(self.key, self.augment) | self._kept
        numbers = search.numbers(place, self.spec.size, direction)
        return f"{self.root}/explore/{self.key.index}/{direction}-match{query(values)}" if numbers else None


def _shard(place: StreamPlace | None, *, with_step: bool = False) -> dict[str, object]:
    if place is None:
        return {}
    shard = place.shard
    values: dict[str, object] = {"step": place.step} if with_step else {}
    values["batch_size"] = shard.batch_size
    return values if shard.world_size == 1 else values | {"rank": shard.rank, "world_size": shard.world_size}
