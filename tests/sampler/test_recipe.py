"""Recipes are recorded and parsed without loss."""

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.errors import RecipeError
from sampler.recipe import JITTER_STEPS, Recipe

GAINS = st.lists(st.tuples(st.sampled_from(JITTER_STEPS), st.floats(-9, 9)), unique_by=lambda row: row[0])
NORMALS = st.floats(-1e3, 1e3)
RECIPES = st.builds(
    Recipe,
    scale=st.floats(1e-6, 4096),
    reference=st.one_of(st.none(), st.integers(0, 1 << 40)),
    center=st.tuples(st.integers(-(1 << 40), 1 << 40), st.integers(-(1 << 40), 1 << 40)),
    flip=st.booleans(),
    jitter=GAINS.map(tuple),
    lighting=st.tuples(NORMALS, NORMALS, NORMALS),
    substitute=st.none() | st.integers(0, (1 << 63) - 1),
)

PLAIN = Recipe(scale=1.0, reference=None, center=(1, 2), flip=False).as_dict()


@given(RECIPES)
def test_a_recipe_survives_json_to_the_last_bit(recipe: Recipe) -> None:
    assert Recipe.parse(recipe.as_dict()) == recipe
    assert Recipe.parse(json.loads(json.dumps(recipe.as_dict()))) == recipe


@pytest.mark.parametrize(("change", "cause"), [
    ({"scale": 0}, r"scale = 0\.0: expected a number above 0, up to 4096"),
    ({"scale": -1.0}, r"scale = -1\.0"),
    ({"scale": math.nan}, "scale = nan"),
    ({"scale": math.inf}, "scale = inf: expected a finite number"),
    ({"scale": 5000}, r"scale = 5000\.0"),
    ({"scale": "1"}, "scale = '1': expected a finite number"),
    ({"scale": True}, "scale = True"),
    ({"scale": 10**400}, "scale = 10*: expected a finite number"),
    ({"reference": -1}, "reference = -1: expected null or a row number"),
    ({"reference": 1.0}, r"reference = 1\.0: expected an integer"),
    ({"center": [1]}, r"center = \[1\]: expected 2 entries"),
    ({"center": [1, 2.5]}, r"center = 2\.5: expected an integer"),
    ({"center": None}, "center = None: expected a list"),
    ({"flip": 1}, "flip = 1: expected true or false"),
    ({"jitter": [["hue", 1.0]]}, "jitter = .*hue.*: expected each of brightness, contrast, saturation at most once"),
    ({"jitter": [["contrast", 1.0], ["contrast", 1.0]]}, "at most once"),
    ({"jitter": [["contrast", math.inf]]}, "expected a finite number"),
    ({"jitter": [["contrast"]]}, r"jitter = \['contrast'\]: expected 2 entries"),
    ({"jitter": {}}, r"jitter = {}: expected a list"),
    ({"lighting": [0, 0]}, r"lighting = \[0, 0\]: expected 3 entries"),
    ({"lighting": [0, 0, math.nan]}, "expected a finite number"),
    ({"substitute": -1}, "substitute = -1: expected null or a dataset index"),
    ({"substitute": 1.0}, r"substitute = 1\.0: expected an integer"),
    ({"substitute": True}, "substitute = True: expected an integer"),
    ({"colour": 1}, "recipe: expected an object with exactly scale, reference"),
])  # fmt: skip
def test_an_invalid_field_is_refused_by_name(change: dict[str, Any], cause: str) -> None:
    with pytest.raises(RecipeError, match=cause):
        Recipe.parse({**PLAIN, **change})


@pytest.mark.parametrize("document", [None, [], "recipe", {}, {"scale": 1.0}])
def test_a_document_that_is_no_recipe_is_refused(document: object) -> None:
    with pytest.raises(RecipeError, match="expected an object with exactly"):
        Recipe.parse(document)


def test_a_recipe_without_a_substitute_does_not_mention_it() -> None:
    assert "substitute" not in PLAIN
    assert Recipe.parse({**PLAIN, "substitute": None}) == Recipe.parse(PLAIN)


def test_gains_and_lighting_are_finite() -> None:
    recipe = Recipe.parse(PLAIN)
    for change in ({"lighting": (0.0, math.nan, 0.0)}, {"jitter": (("contrast", math.inf),)}):
        with pytest.raises(RecipeError, match="jitter and lighting: expected finite numbers"):
            dataclasses.replace(recipe, **change)
