"""All examples are run, listed and written alike."""

import ast
import re

from tests.examples.catalogue import EXAMPLES, FOLDER

README = (FOLDER / "README.md").read_text(encoding="utf-8")
FILES = {example.file for example in EXAMPLES}


def test_every_file_is_run() -> None:
    found = {file.name for file in FOLDER.iterdir() if file.suffix in {".py", ".mjs", ".ipynb"}}
    assert found == {file for file in FILES if "/" not in file}


def test_the_readme_lists_every_file_once() -> None:
    listed = re.findall(r"^\| \[.*?\]\((\S+?)\) \|", README, re.MULTILINE)
    assert sorted(listed) == sorted(file.replace("/train.py", "/README.md") for file in FILES)


def test_the_readme_has_a_command_for_every_script() -> None:
    commands = "\n".join(re.findall(r"^```bash\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
    for file in FILES:
        assert f"examples/{file}" in commands or f"examples.{file.removesuffix('.py').replace('/', '.')}" in commands


def test_the_stand_in_for_a_detector_is_the_same_in_every_script() -> None:
    for name in ("make_network", "loss_of"):
        copies = [
            ast.dump(node)
            for file in sorted(FOLDER.glob("*.py"))
            for node in ast.parse(file.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.name == name
        ]
        assert len(copies) == 6
        assert len(set(copies)) == 1
