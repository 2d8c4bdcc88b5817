"""All targets by name."""

from importlib import import_module
from pathlib import Path

from tests.fuzz.target import Build, Target


def _build_of(module: str) -> Build:
    """Return the `build` of a target's module, which is imported when the target is made."""

    def build(folder: Path) -> Target:
        target: Target = import_module(f"tests.fuzz.targets.{module}").build(folder)
        return target

    return build


TARGETS: dict[str, Build] = {
    "wire reader": _build_of("wire"),
    "spec": _build_of("spec"),
    "dataset index": _build_of("dataset_index"),
    "decoded store": _build_of("decoded_store"),
    "entry point records": _build_of("records"),
    "image states": _build_of("image_states"),
    "image files": _build_of("images"),
    "JPEG scans": _build_of("jpeg_scans"),
    "annotations": _build_of("annotations"),
    "config files": _build_of("configs"),
    "settings files": _build_of("settings"),
}

FAULTS = "faults"
"""Name of a target that fails, for tests of the fuzzer."""


def build_target(name: str, folder: Path) -> Target:
    """Return a target by its name. Files are written into the folder."""
    build = _build_of("faults") if name == FAULTS else TARGETS[name]
    return build(folder)
