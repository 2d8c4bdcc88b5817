"""Digests change with everything that a sample depends on and with nothing else."""

import dataclasses
import re

import pytest

from sampler.config.digest import config_digest, sample_digest
from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig

SACCADE = PRESETS["cornernet_saccade"]

OTHER: dict[str, object] = {
    "kind": "cornernet", "input_size": (254, 254), "output_size": (32, 32), "rand_scales": (1.0,),
    "gaussian_iou": 0.25, "rand_crop": True, "rand_center": False, "rand_color": False, "lighting": False,
    "gaussian_bump": False, "gaussian_radius": 2, "max_objects": 9, "min_scale": 3, "border": 5, "attention": (),
    "keep_crowd": False, "categories": 99, "jitter": 0.25, "lighting_std": 0.5,
    "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0),
    "eigenvalues": (0.0, 0.0, 0.0), "eigenvectors": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}  # fmt: skip


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(SamplerConfig) if field.name != "name"])
def test_every_field_but_the_name_changes_the_digest(field: str) -> None:
    changes: dict[str, object] = {field: OTHER[field]}
    if field == "kind":
        changes |= {"rand_crop": True, "attention": ()}
    base = dataclasses.replace(SACCADE, rand_crop=True, attention=()) if field == "kind" else SACCADE
    assert config_digest(dataclasses.replace(base, **changes)) != config_digest(base)  # type: ignore[arg-type] # values fit


def test_the_name_of_a_config_does_not_change_the_digest() -> None:
    assert config_digest(dataclasses.replace(SACCADE, name="mine")) == config_digest(SACCADE)


def test_dataset_config_and_version_each_change_the_digest() -> None:
    digests = {
        sample_digest("a", SACCADE), sample_digest("b", SACCADE), sample_digest("a", PRESETS["cornernet"]),
        sample_digest("a", SACCADE, version=99), sample_digest("a", PRESETS["cornernet_squeeze"]),
    }  # fmt: skip
    assert len(digests) == 5
    assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in digests)


def test_digests_are_pinned() -> None:
    """They name samples in URLs and caches, which a changed digest would invalidate."""
    assert [config_digest(config) for config in PRESETS.values()] == PINNED


PINNED = ["b701d062d6720fd15a2143078abcf971", "c14cc63401ca6beb268b15afaf2918dd", "bdacda74a0b17e96e2aa908bf750928b"]
