"""Settings come from environment variables; invalid ones are named."""

import pickle
from pathlib import Path

import pytest

from sampler.cpus import available_cpus
from service.settings.load import SettingsError, load_settings
from service.settings.server import Settings
from tests.support.system_faults import forbidden


def test_settings_come_from_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMPLER_WORKERS", "3")
    monkeypatch.setenv("SAMPLER_CACHE_DIR", str(tmp_path))
    settings = load_settings()
    assert (settings.workers, settings.cache_dir) == (3, tmp_path)
    assert settings.annotations is None


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("/data/a b.json", ["/data/a b.json"]),
        ('["/data/a.json", "~/b.json"]', ["/data/a.json", f"{Path.home()}/b.json"]),
    ],
)
def test_annotations_and_images_may_be_several(
    text: str, paths: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SAMPLER_ANNOTATIONS", text)
    monkeypatch.setenv("SAMPLER_IMAGES", text)
    settings = load_settings()
    assert settings.annotations == settings.images == tuple(map(Path, paths))


def test_images_may_be_urls_and_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for text, places in (
        ("s3://bucket/a//b", ("s3://bucket/a//b",)),
        ('["gs://bucket", "~/b"]', ("gs://bucket", Path.home() / "b")),
    ):
        monkeypatch.setenv("SAMPLER_ANNOTATIONS", "a.json")
        monkeypatch.setenv("SAMPLER_IMAGES", text)
        assert load_settings().images == places
    assert load_settings({"images": ("az://c/x", "~/b")}).images == ("az://c/x", Path.home() / "b")
    file = tmp_path / "settings.toml"
    file.write_text('[datasets.train]\nannotations = "a.json"\nimages = ["s3://bucket/a", "b"]\n')
    monkeypatch.delenv("SAMPLER_ANNOTATIONS")
    monkeypatch.delenv("SAMPLER_IMAGES")
    assert load_settings({}, file).datasets["train"].images == ("s3://bucket/a", Path("b"))


def test_a_settings_file_has_lists_of_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[datasets.train]\nannotations = ["a.json", "b.json"]\nimages = "x"\nsubset = "ids.json"\n')
    monkeypatch.setenv("SAMPLER_SETTINGS", str(file))
    train = load_settings().datasets["train"]
    assert train.annotations == (Path("a.json"), Path("b.json"))
    assert (train.images, train.subset) == ((Path("x"),), Path("ids.json"))


def test_an_error_names_the_option_variable_or_line_that_has_the_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('workers = "many"\n')
    with pytest.raises(SettingsError, match=r"^/.*/settings\.toml: workers = 'many': "):
        load_settings({}, file)
    monkeypatch.setenv("SAMPLER_WORKERS", "some")
    with pytest.raises(SettingsError, match=r"^SAMPLER_WORKERS = 'some': "):
        load_settings({}, file)
    with pytest.raises(SettingsError, match=r"^--workers = 0: "):
        load_settings({"workers": 0}, file)


def test_each_dataset_may_refuse_damaged_images_or_follow_links(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    paths = 'annotations = "a.json"\nimages = "x"\n'
    file.write_text(f'damaged = "refuse"\n[datasets.train]\n{paths}[datasets.val]\n{paths}damaged = "serve"\n')
    monkeypatch.setenv("SAMPLER_SETTINGS", str(file))
    monkeypatch.setenv("SAMPLER_FOLLOW_LINKS", "true")
    datasets = load_settings().datasets
    assert [(one.damaged, one.follow_links) for one in datasets.values()] == [("refuse", True), ("serve", True)]
    monkeypatch.setenv("SAMPLER_DAMAGED", "ignore")
    with pytest.raises(SettingsError, match=r"SAMPLER_DAMAGED = 'ignore': expected 'serve' or 'refuse'"):
        load_settings()


def test_the_path_of_the_settings_file_may_begin_with_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "settings.toml").write_text("workers = 3\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SAMPLER_SETTINGS", "~/settings.toml")
    assert load_settings().workers == 3
    monkeypatch.setenv("SAMPLER_SETTINGS", "~nobody-of-this-name/settings.toml")
    with pytest.raises(SettingsError, match=r"settings.toml: the home folder is unknown"):
        load_settings()


def test_an_unknown_setting_without_a_similar_name_lists_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLER_QQQ", "3")
    with pytest.raises(SettingsError, match="expected one of SAMPLER_ANNOTATIONS"):
        load_settings()


def test_the_variable_of_clients_is_no_setting_of_a_server_on_their_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLER_URL", "http://cpu-host:8000")
    assert load_settings() == Settings()


def test_there_is_a_worker_per_cpu_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMPLER_WORKERS", raising=False)
    assert Settings().workers == available_cpus() >= 1


def test_an_unknown_home_folder_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLER_CACHE_DIR", "~nobody-of-this-name/cache")
    with pytest.raises(SettingsError, match=r"SAMPLER_CACHE_DIR.*without ~"):
        load_settings()


def test_a_settings_file_that_cannot_be_read_is_a_one_line_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SAMPLER_SETTINGS", str(tmp_path))
    with pytest.raises(SettingsError, match="cannot be read: Is a directory; name a TOML file"):
        load_settings()
    (tmp_path / "settings.toml").touch()
    monkeypatch.setenv("SAMPLER_SETTINGS", str(tmp_path / "settings.toml"))
    with forbidden(tmp_path), pytest.raises(SettingsError, match="Permission denied"):
        load_settings()


def test_a_settings_file_of_any_depth_and_size_is_a_one_line_error(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"workers = {'[' * 100_000}")
    with pytest.raises(SettingsError, match="nested too deeply"):
        load_settings({}, file)
    file.write_text("# a comment\n" * 100_000)
    with pytest.raises(SettingsError, match="more than 1,048,576 bytes"):
        load_settings({}, file)


@pytest.mark.parametrize("name", ["SAMPLER_ANNOTATIONS", "SAMPLER_ALLOWED_HOSTS"])
def test_a_list_of_any_depth_in_a_variable_is_a_one_line_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, f'["a", {"[" * 50_000}')
    with pytest.raises(SettingsError, match=f"{name} .*not JSON"):
        load_settings()


def test_options_of_the_command_line_win_and_are_named_in_errors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "settings.toml").write_text("workers = 4\nmax_batch = 7\nretry_after = 3\n")
    monkeypatch.setenv("SAMPLER_WORKERS", "3")
    monkeypatch.setenv("SAMPLER_MAX_BATCH", "6")
    settings = load_settings({"workers": 2}, tmp_path / "settings.toml")
    assert (settings.workers, settings.max_batch, settings.retry_after) == (2, 6, 3)
    with pytest.raises(SettingsError, match=r"^--cache-dir = 5: expected a path"):
        load_settings({"cache_dir": 5})
    with pytest.raises(SettingsError, match=r"^--settings = .*nowhere\.toml: no such file"):
        load_settings({}, tmp_path / "nowhere.toml")


@pytest.mark.parametrize(("name", "option"), [("SAMPLER_HOST", "--host"), ("SAMPLER_PORT", "--port")])
def test_host_and_port_are_options_only(name: str, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "8000")
    with pytest.raises(SettingsError, match=f"{name}: no such setting; use the option {option} of"):
        load_settings()


def test_a_tls_key_needs_a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLER_TLS_KEY", "key.pem")
    with pytest.raises(SettingsError, match="SAMPLER_TLS_KEY is set without SAMPLER_TLS_CERT"):
        load_settings()


def test_an_error_lists_everything_that_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('job_seconds = "soon"\nworker = 3\n')
    for name, value in {"SAMPLER_QQQ": "1", "SAMPLER_PORT": "80", "SAMPLER_WORKERS": "no"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings({"max_batch": 0}, file)
    names = {problem.partition(" =")[0].partition(": no such")[0] for problem in raised.value.problems}
    expected = {"--max-batch", "SAMPLER_PORT", "SAMPLER_QQQ", "SAMPLER_WORKERS"}
    assert names == expected | {f"{file}: job_seconds", f"{file}: worker"}
    assert str(raised.value) == "; ".join(raised.value.problems)
    assert pickle.loads(pickle.dumps(raised.value)).problems == raised.value.problems
