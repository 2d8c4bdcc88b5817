"""Settings that say who may use the server."""

import logging
from pathlib import Path

import pytest

from service.access.tokens import token_of, warn_if_readable
from service.settings.load import SettingsError, load_settings
from tests.support.system_faults import forbidden

TOKEN = "correct-horse-battery"
BAD = "not a valid token!"


def test_the_token_comes_from_a_variable_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert token_of(load_settings()) is None
    monkeypatch.setenv("SAMPLER_TOKEN", TOKEN)
    assert token_of(load_settings()) == TOKEN
    monkeypatch.delenv("SAMPLER_TOKEN")
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    monkeypatch.setenv("SAMPLER_TOKEN_FILE", str(file))
    assert token_of(load_settings()) == TOKEN


def test_a_variable_and_a_file_together_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMPLER_TOKEN", TOKEN)
    monkeypatch.setenv("SAMPLER_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(SettingsError, match="are both set; set one of them"):
        load_settings()


def test_neither_settings_nor_messages_show_the_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMPLER_TOKEN", TOKEN)
    settings = load_settings()
    assert TOKEN not in f"{settings} {settings!r} {settings.model_dump_json()}"
    monkeypatch.setenv("SAMPLER_TOKEN", BAD)
    with pytest.raises(SettingsError, match=r"^SAMPLER_TOKEN: invalid character; expected 16 to 512") as raised:
        load_settings()
    assert BAD not in str(raised.value)
    file = tmp_path / "token"
    file.write_text(BAD)
    monkeypatch.delenv("SAMPLER_TOKEN")
    monkeypatch.setenv("SAMPLER_TOKEN_FILE", str(file))
    with pytest.raises(SettingsError, match=r"^SAMPLER_TOKEN_FILE = /.*/token: invalid character; ") as raised:
        token_of(load_settings())
    assert BAD not in str(raised.value)


@pytest.mark.parametrize("value", ["1234567890123456789", f'["{TOKEN}"]', f'{{secret = "{TOKEN}"}}'])
def test_a_token_of_a_settings_file_that_is_no_text_is_not_quoted(
    value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"token = {value}\n")
    monkeypatch.setenv("SAMPLER_SETTINGS", str(file))
    with pytest.raises(SettingsError, match=r"settings\.toml: token: expected text") as raised:
        load_settings()
    assert value.strip('["]') not in str(raised.value)


def test_a_token_file_that_cannot_be_read_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("SAMPLER_TOKEN_FILE", str(file))
    with pytest.raises(SettingsError, match=r"token: no such file"):
        token_of(load_settings())
    file.mkdir()
    with pytest.raises(SettingsError, match="cannot be read: Is a directory; name a file that this user can read"):
        token_of(load_settings())
    file.rmdir()
    file.write_text(TOKEN)
    with forbidden(file), pytest.raises(SettingsError, match="Permission denied"):
        token_of(load_settings())


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_token_file_that_every_user_can_read_is_logged(
    mode: int, warns: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(mode)
    monkeypatch.setenv("SAMPLER_TOKEN_FILE", str(file))
    monkeypatch.setattr(logging.getLogger("saccade_sampler"), "propagate", True)
    warn_if_readable(load_settings())
    assert ("every user of this host can read the token" in caplog.text) == warns
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("cpu1.example.org, CPU2.example.org.", ("cpu1.example.org", "cpu2.example.org")),
        ('["cpu1", "*.example.org"]', ("cpu1", "*.example.org")),
        ("10.0.0.5,[::1],fd00::7", ("10.0.0.5", "::1", "fd00::7")),
        ("[::1],cpu1", ("::1", "cpu1")),
        ("*", ("*",)),
    ],
)
def test_allowed_hosts_are_names_addresses_and_patterns(
    text: str, hosts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLER_ALLOWED_HOSTS", text)
    assert load_settings().allowed_hosts == hosts


@pytest.mark.parametrize(
    "text", ["http://cpu1", "cpu1:8000", "cpu1/x", "a.*.org", "**", "a b", "[]", ",", '["a", 3]', '["a"']
)
def test_other_allowed_hosts_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLER_ALLOWED_HOSTS", text)
    with pytest.raises(SettingsError, match="SAMPLER_ALLOWED_HOSTS"):
        load_settings()
