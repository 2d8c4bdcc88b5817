"""Entity tags of what pages show."""

import pytest

from sampler.config.presets import preset
from sampler.stream.keys import SampleKey
from sampler.wire.spec import ServiceSpec
from service.routes import caching
from service.routes.caching import view_tag
from service.workers.protocol import ViewJob

JOB = ViewJob("thumbnail", 0, (SampleKey(7, 0, 3),))
SPEC = ServiceSpec("", "", 24, ("person",), preset("cornernet_saccade"), 1024, 1 << 20)


def test_a_tag_survives_a_restart_only_if_changed_image_files_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {hashed: view_tag(JOB, SPEC, hashed=hashed) for hashed in (True, False)}
    monkeypatch.setattr(caching, "START", "another start")
    assert view_tag(JOB, SPEC, hashed=True) == before[True]
    assert view_tag(JOB, SPEC, hashed=False) != before[False]
