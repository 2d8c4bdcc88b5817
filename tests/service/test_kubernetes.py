"""A server in a cluster with a Service called `sampler`, whose variables look like settings."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from service.kubernetes import service_variables
from service.settings.load import SettingsError, load_settings
from tests.support.coco_files import write_dataset
from tests.support.live_server import live_server


def variables_of(service: str) -> dict[str, str]:
    """What Kubernetes sets for a Service with the ports 8000 (called http) and 9000/UDP."""
    name = service.upper().replace("-", "_")
    return {
        f"{name}_SERVICE_HOST": "10.96.12.7",
        f"{name}_SERVICE_PORT": "8000",
        f"{name}_SERVICE_PORT_HTTP": "8000",
        f"{name}_PORT": "tcp://10.96.12.7:8000",
        f"{name}_PORT_8000_TCP": "tcp://10.96.12.7:8000",
        f"{name}_PORT_8000_TCP_PROTO": "tcp",
        f"{name}_PORT_8000_TCP_PORT": "8000",
        f"{name}_PORT_8000_TCP_ADDR": "10.96.12.7",
        f"{name}_PORT_9000_UDP": "udp://[fd00::7]:9000",
        f"{name}_PORT_9000_UDP_ADDR": "fd00::7",
    }


def set_all(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_a_server_starts_next_to_a_service_of_its_name_and_says_what_it_ignores(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    injected = {name.removeprefix("SAMPLER_").lower(): value for name, value in variables_of("sampler").items()}
    settings = {"annotations": annotations, "images": images, "cache_dir": tmp_path / "cache", "workers": 1}
    with live_server(tmp_path, **settings, **injected) as server:
        (line,) = [line for line in server.log.splitlines() if "Kubernetes" in line]
    assert "SAMPLER_PORT, SAMPLER_PORT_8000_TCP" in line
    assert "SAMPLER_WORKERS" not in line


@pytest.mark.parametrize("service", ["sampler", "sampler-eu", "sampler-workers", "sampler-2"])
def test_no_variable_of_a_service_is_taken_for_a_setting(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    set_all(monkeypatch, variables_of(service))
    monkeypatch.setenv("SAMPLER_WORKERS", "3")
    assert load_settings().workers == 3
    assert service_variables({**variables_of(service), "SAMPLER_WORKERS": "3"}) == sorted(variables_of(service))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAMPLER_PORT", "8000"),
        ("SAMPLER_PORTS", "tcp://10.96.12.7:8000"),
        ("SAMPLER_SERVICE", "10.96.12.7"),
        ("SAMPLER_WORKER", "3"),
        ("SAMPLER_EU_WORKERS", "3"),
    ],
)
def test_a_typo_of_a_setting_is_still_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    set_all(monkeypatch, variables_of("sampler"))
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}: no such setting"):
        load_settings()
