"""Queries of links: written in one way on all pages."""

from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from sampler.config.presets import preset
from sampler.stream.keys import SampleKey
from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard
from sampler.wire.spec import ServiceSpec
from service.explorer.sample.links import SampleLinks
from service.explorer.shell.links import query
from service.explorer.side_by_side.urls import VariantUrls
from service.explorer.side_by_side.variants import Variant
from service.explorer.steps.links import StepLinks
from service.explorer.steps.parameters import StepParameters
from service.explorer.steps.stream import StepSample

SPEC = ServiceSpec("d1", "p1", 100, ("cat",), preset("cornernet_saccade"), 1024, 1 << 20)


def test_a_query_without_values_has_no_question_mark() -> None:
    assert query({}) == query({"seed": None}) == ""
    assert query({"seed": 0, "augment": False, "size": ""}) == "?seed=0&augment=false&size="


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers(), min_size=1))
def test_a_query_has_the_form_of_a_form(values: dict[str, object]) -> None:
    assert query(values) == f"?{urlencode(values)}"


def test_all_pages_have_the_same_url_for_a_picture_so_that_a_browser_loads_it_once() -> None:
    sample, variant = SampleLinks("", SPEC, SampleKey(7, 1, 3), True), Variant(7, 1)
    steps = StepLinks("", SPEC, StepParameters(seed=7))
    found = StepSample(SampleKey(7, 1, 3), StreamPlace(0, Shard(48), 0), 3, 1, 0, 0, 0)
    urls = VariantUrls("", SPEC, 3)
    assert sample.file("/explore/{}/thumbnail") == steps.thumbnail(found) == urls.thumbnail(variant)
    assert sample.file("/explore/{}/layers/crop") == urls.layer(variant, "crop")
