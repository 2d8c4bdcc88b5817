"""The public name: `saccade_sampler` gives every public name, loads nothing before it is used, and is not shadowed."""

import ast
from pathlib import Path

import pytest

import client
import saccade_sampler
import sampler
from sampler.version import VERSION
from tests.support.paths import ROOT
from tests.support.processes import output_of, run_python

SOURCE = ast.parse((ROOT / "saccade_sampler" / "__init__.py").read_text(encoding="utf-8"))


def names_for_type_checkers() -> set[str]:
    """The names imported under `if TYPE_CHECKING`."""
    blocks = (node for node in SOURCE.body if isinstance(node, ast.If))
    block = next(node for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING")
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def test_every_public_name_of_client_and_sampler_is_there() -> None:
    assert {*client.__all__, *sampler.__all__} <= set(saccade_sampler.__all__)
    for package in (sampler, client):
        assert all(getattr(saccade_sampler, name) is getattr(package, name) for name in package.__all__)


def test_type_checkers_and_completion_see_the_names_that_programs_get() -> None:
    assert names_for_type_checkers() == set(dir(saccade_sampler))
    assert len(dir(saccade_sampler)) == len(set(dir(saccade_sampler)))


def test_importing_all_names_needs_no_extra() -> None:
    absent = ["cv2", "msgspec", "numba", "torch"]
    code = f"import sys\nsys.modules.update(dict.fromkeys({absent!r}))\nfrom saccade_sampler import *\nprint(*dir())"
    assert {"loader", "SamplerClient", "preset", "__version__"} <= set(output_of(code).split())
    assert set(dir(saccade_sampler)) - set(saccade_sampler.__all__) == {"ReadOptions", "open_dataset", "render_tensors"}


def test_each_package_has_the_version() -> None:
    assert client.__version__ == saccade_sampler.__version__ == sampler.__version__ == VERSION


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'saccade_sampler' has no attribute 'Smapler'"):
        _ = saccade_sampler.Smapler  # type: ignore[attr-defined] # the point of the test


@pytest.mark.parametrize(
    ("statement", "loaded"),
    [
        ("import saccade_sampler", set()),
        ("import saccade_sampler; dir(saccade_sampler)", set()),
        ("from saccade_sampler import make_sample", {"sampler"}),
        ("from saccade_sampler import loader, SamplerClient, Recipe", {"sampler", "client"}),
    ],
)
def test_only_what_is_used_is_loaded(statement: str, loaded: set[str]) -> None:
    heavy = ["cv2", "numba", "fastapi", "pydantic", "torch"]
    names = ["sampler", "service", "client", *heavy]
    printed = output_of(f"import sys\n{statement}\nprint(*[name for name in {names!r} if name in sys.modules])")
    assert set(printed.split()) == loaded


def test_a_name_that_needs_an_extra_says_which() -> None:
    code = (
        "import sys; sys.modules['msgspec'] = None\n"
        "try:\n    from saccade_sampler import open_dataset\n"
        "except ImportError as error: print(error)"
    )
    assert output_of(code) == "open_dataset needs msgspec: pip install 'saccade-sampler[server]'"


# --- a file or folder of the user's that has the name of one of our packages ---


def train(folder: Path, import_line: str = "from saccade_sampler import SamplerClient") -> str:
    """Run a train.py in `folder`; return the last line that it prints, on either stream."""
    (folder / "train.py").write_text(f"{import_line}\nprint('imported')\n")
    done = run_python(folder / "train.py", cwd=folder, variables={"PYTHONPATH": ROOT}, coverage=False, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[-1]


def test_a_training_script_imports_the_public_name(tmp_path: Path) -> None:
    assert train(tmp_path) == "imported"


@pytest.mark.parametrize("shadow", ["client.py", "sampler.py", "client/__init__.py", "sampler/__init__.py"])
def test_a_shadowing_file_is_named_with_the_remedy(tmp_path: Path, shadow: str) -> None:
    file = tmp_path / shadow
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    culprit = file.parent if file.name == "__init__.py" else file
    package = culprit.stem
    message = train(tmp_path)
    assert message.startswith(f"ImportError: saccade_sampler needs its package '{package}' in {ROOT / package}, ")
    assert f"but Python finds {culprit}. Rename that file or folder" in message


def test_a_shadowing_module_that_was_imported_before_is_named(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text("")
    message = train(tmp_path, "import client\nfrom saccade_sampler import loader")
    assert f"Python finds {tmp_path / 'client.py'}" in message


def test_the_sampler_is_not_disturbed_by_a_client_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text("")
    assert train(tmp_path, "from saccade_sampler import preset") == "imported"
