"""Files and folders of a server: whether this user can read and write them."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from saccade_sampler.doctor.examine_server import examine_server
from saccade_sampler.doctor.files import check_cache_folder
from saccade_sampler.doctor.finding import Finding
from saccade_sampler.doctor.paths import LOOKED_AT, readable, writable
from service.settings.server import Settings
from tests.saccade_sampler.doctor.hosts import GB, HOST
from tests.support.certificates import make_certificates
from tests.support.system_faults import forbidden


def found(check: str, **settings: object) -> Finding:
    """Return what is found about a server with these settings."""
    findings = examine_server(Settings.model_validate({"workers": 1, **settings}), HOST)
    (finding,) = [finding for finding in findings if finding.check == check]
    return finding


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that every user can look into."""
    for place in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        place.chmod(place.stat().st_mode | 0o755)
    return tmp_path


def test_a_sound_set_up_has_no_problem(scenes: tuple[Path, Path], tmp_path: Path) -> None:
    settings = Settings(annotations=(scenes[0],), images=(scenes[1],), cache_dir=tmp_path / "new", workers=1)
    findings = list(examine_server(settings, HOST))
    assert {finding.status for finding in findings} == {"ok"}, findings
    assert not (tmp_path / "new").exists()


def test_a_dataset_that_cannot_be_read_is_a_problem(scenes: tuple[Path, Path], folder: Path) -> None:
    annotations, images = scenes
    missing = found("annotations", annotations=folder / "none.json", images=images)
    assert missing.status == "problem"
    assert missing.found == f"{folder / 'none.json'}: No such file or directory"
    assert "SAMPLER_ANNOTATIONS" in missing.remedy
    (folder / "closed").mkdir()
    with forbidden(folder / "closed"):
        closed = found("images", annotations=annotations, images=folder / "closed")
    assert closed.status == "problem"
    assert f"Permission denied for user id {os.geteuid() or 12345}" in closed.found
    assert "give that user access" in closed.remedy


def test_an_image_folder_without_images_is_a_problem(scenes: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").touch()
    empty = found("images", annotations=scenes[0], images=tmp_path / "empty")
    assert (empty.status, empty.found) == ("problem", f"{tmp_path / 'empty'} has neither images nor folders")
    assert found("images", annotations=scenes[0], images=tmp_path).status == "ok"


def test_an_image_folder_whose_first_entries_are_other_files_is_left_to_verify(
    scenes: tuple[Path, Path], tmp_path: Path
) -> None:
    for number in range(LOOKED_AT + 1):
        (tmp_path / f"{number}.txt").touch()
    many = found("images", annotations=scenes[0], images=tmp_path)
    assert many.status == "skipped"
    assert "the first 1,000 entries" in many.found
    assert "verify" in many.found


def test_images_in_object_storage_are_left_to_verify(scenes: tuple[Path, Path]) -> None:
    remote = found("images", annotations=scenes[0], images="s3://bucket/images")
    assert remote.status == "skipped"
    assert "verify" in remote.found


def test_the_cache_folder_must_be_one_that_can_be_written(folder: Path) -> None:
    (folder / "closed").mkdir()
    (folder / "file").touch()
    with forbidden(folder / "closed"):
        closed = found("cache folder", cache_dir=folder / "closed/cache")
    assert closed.status == "problem"
    assert "Permission denied" in closed.found
    blocked = found("cache folder", cache_dir=folder / "file/cache")
    assert (blocked.status, blocked.found) == (
        "problem", f"{folder / 'file/cache'}: {folder / 'file'} is not a folder",
    )  # fmt: skip
    assert "SAMPLER_CACHE_DIR" in blocked.remedy


def test_the_cache_folder_needs_room_for_the_index(tmp_path: Path) -> None:
    facts = writable(tmp_path)
    assert facts.free > 0
    for free, status in ((GB // 10, "problem"), (GB, "warning"), (3 * GB, "ok")):
        assert check_cache_folder(replace(facts, free=free), GB // 5).status == status


def test_a_token_file_is_checked_with_its_mode(folder: Path) -> None:
    file = folder / "token"
    file.write_text("0123456789abcdef\n")
    file.chmod(0o600)
    assert found("token", token_file=file).status == "ok"
    file.chmod(0o644)
    assert found("token", token_file=file).remedy == f"chmod o-r {file}"
    file.write_text("short")
    short = found("token", token_file=file)
    assert short.status == "problem"
    assert "5 characters" in short.found
    assert found("token", token_file=folder / "none").status == "problem"
    assert "this host" in found("token").found
    assert "other hosts" in found("token", open=True).found
    assert readable(folder).mode


def test_a_certificate_is_loaded_as_serve_does(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    assert found("certificate", tls_cert=files.certificate, tls_key=files.key).status == "ok"
    other = make_certificates(tmp_path, authority="other")
    wrong = found("certificate", tls_cert=files.certificate, tls_key=other.key)
    assert wrong.status == "problem"
    assert "the key is not that of the certificate" in wrong.found


def test_a_config_that_cannot_be_used_is_a_problem(scenes: tuple[Path, Path]) -> None:
    place = {"annotations": scenes[0], "images": scenes[1]}
    assert found("config", **place, config="cornernet").status == "ok"
    wrong = found("config", **place, config="cornernet_sacade")
    assert wrong.status == "problem"
    assert "cornernet_sacade" in wrong.found
