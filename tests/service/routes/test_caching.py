"""Entity tags of what pages show."""

from sampler.config.presets import preset
from sampler.stream.keys import SampleKey
from sampler.wire.spec import ServiceSpec
from service.routes.caching import view_tag
from service.workers.protocol import ViewJob

JOB = ViewJob("thumbnail", 0, (SampleKey(7, 0, 3),))
SPEC = ServiceSpec("", "", 24, ("person",), preset("cornernet_saccade"), 1024, 1 << 20)


def test_a_tag_survives_a_restart_only_if_it_does_not_name_the_run() -> None:
    assert view_tag(JOB, SPEC, run="") == view_tag(JOB, SPEC, run="")
    assert view_tag(JOB, SPEC, run="one") != view_tag(JOB, SPEC, run="another")
