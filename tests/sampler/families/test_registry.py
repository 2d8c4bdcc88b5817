"""Families are found by name, or by import path once this process has registered them."""

import json
import sys
from pathlib import Path

import pytest

from sampler.config.cornernet_lite import load_config
from sampler.config.parsing import config_from_dict
from sampler.config.presets import PRESETS
from sampler.errors import ConfigError, ProtocolError, UnknownFamilyError
from sampler.families.registry import BUILT_IN, family_of, find_family, register_family, registered_paths
from sampler.wire.spec import ServiceSpec
from tests.support import toy_family
from tests.support.processes import run_python
from tests.support.toy_family import PATH

TOY = toy_family.FAMILY.presets[0]


def test_built_in_families_are_found_by_name() -> None:
    assert {config.kind for config in PRESETS.values()} == set(BUILT_IN) == {"saccade", "cornernet"}
    for config in PRESETS.values():
        assert family_of(config) is find_family(config.kind) is register_family(config.kind)


def test_an_import_path_is_found_after_registration_and_only_then() -> None:
    program = f"""
from sampler.errors import UnknownFamilyError
from sampler.families.registry import find_family, register_family, registered_paths
import sys
try:
    find_family({PATH!r})
except UnknownFamilyError as error:
    print(error)
print("tests.support.toy_family" in sys.modules, registered_paths())
register_family({PATH!r})
print(type(find_family({PATH!r})).__name__, registered_paths())
"""
    done = run_python("-c", program)
    refused, before, after = done.stdout.splitlines()
    assert refused.startswith(f"kind = {PATH!r}: this detector family is not registered in this process")
    assert refused.endswith(f"call register_family({PATH!r}) first")
    assert before == "False ()"
    assert after == f"ToyFamily ({PATH!r},)"


def test_registering_twice_changes_nothing() -> None:
    assert register_family(PATH) is register_family(PATH) is toy_family.FAMILY
    assert registered_paths().count(PATH) == 1


@pytest.mark.parametrize(("path", "cause"), [
    ("nowhere.at.all:FAMILY", "cannot be imported: No module named 'nowhere'"),
    ("tests.support.toy_family:NOTHING", "cannot be imported: module .* has no attribute 'NOTHING'"),
    ("tests.support.toy_family:PATH", "is a str: expected an instance of a Family subclass"),
    ("tests.support.toy_family:ToyFamily", "expected an instance of a Family subclass"),
    ("tests.support.toy_family", "expected an import path such as package.module:FAMILY"),
    (":FAMILY", "expected an import path"),
])  # fmt: skip
def test_a_path_without_a_family_is_refused(path: str, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        register_family(path)


def test_a_spec_never_imports_the_family_it_names() -> None:
    spec = ServiceSpec("d" * 32, "e" * 32, 3, ("cat",), PRESETS["cornernet"], max_batch=8, max_body_bytes=1024)
    document = json.loads(json.dumps(spec.as_dict()))
    document["config"]["kind"] = "antigravity:FAMILY"
    with pytest.raises(
        ProtocolError, match=r"config\.kind = 'antigravity:FAMILY': this detector family is not registered"
    ):
        ServiceSpec.parse(document)
    with pytest.raises(UnknownFamilyError):
        config_from_dict(document["config"])
    assert "antigravity" not in sys.modules


def test_a_config_file_with_an_unknown_family_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"system": {"sampling_function": "nowhere:FAMILY"}}))
    with pytest.raises(ConfigError, match=r"mine\.json: family 'nowhere:FAMILY' cannot be imported"):
        load_config(str(file))
