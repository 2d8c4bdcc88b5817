"""What `kubectl kustomize` makes of the manifests, as far as they use it. An unknown field is an error."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # the package ships no types

Object = dict[str, Any]

KINDS = {"Kustomization": "kustomize.config.k8s.io/v1beta1", "Component": "kustomize.config.k8s.io/v1alpha1"}
FIELDS = {"apiVersion", "kind", "resources", "components", "configMapGenerator", "patches", "images"}
MERGE_KEYS = {
    "containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath",
}  # fmt: skip
"""Lists that a patch merges by a key of their items. It replaces all others as a whole, also `envFrom`."""


def identity(thing: Object) -> tuple[str, str, str]:
    """Return API version, kind and name of an object."""
    return thing["apiVersion"], thing["kind"], thing["metadata"]["name"]


def build(folder: Path, below: list[Object] | None = None, used: set[Path] | None = None) -> list[Object]:
    """Return the objects of a kustomization.

    Args:
        folder: Has the file kustomization.yaml.
        below: What a component changes.
        used: Gets every file that was read.
    """
    used = set() if used is None else used
    document = _read(folder / "kustomization.yaml", used)
    assert document["apiVersion"] == KINDS[document["kind"]]
    assert (document["kind"] == "Component") == (below is not None), f"{folder} is used as the other kind"
    assert set(document) <= FIELDS
    objects = deepcopy(below or [])
    for name in document.get("resources", ()):
        path = (folder / name).resolve()
        objects += build(path, None, used) if path.is_dir() else [_read(_inside(folder, name), used)]
    for name in document.get("components", ()):
        objects = build((folder / name).resolve(), objects, used)
    for generator in document.get("configMapGenerator", ()):
        _generate(folder, generator, objects, used)
    for patch in document.get("patches", ()):
        _apply(folder, patch, objects, used)
    for image in document.get("images", ()):
        _rename(image, objects)
    names = [identity(one) for one in objects]
    assert len(set(names)) == len(names), f"{folder} has an object twice"
    return objects


def only(objects: list[Object], kind: str, name: str | None = None) -> Object:
    """Return the only object of a kind, or with this name."""
    found = [one for one in objects if one["kind"] == kind and name in (None, one["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} objects of kind {kind}, name {name}"
    return found[0]


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    assert path.is_relative_to(folder.resolve()), f"kustomize reads no file outside its folder: {name}"
    return path


def _read(file: Path, used: set[Path]) -> Object:
    used.add(file.resolve())
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert isinstance(document, dict), f"{file}: expected one object"
    return document


def _generate(folder: Path, generator: Mapping[str, Any], objects: list[Object], used: set[Path]) -> None:
    assert set(generator) <= {"name", "behavior", "envs", "literals"}
    lines = list(generator.get("literals", ()))
    for name in generator.get("envs", ()):
        file = _inside(folder, name)
        used.add(file)
        lines += [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    data = dict(line.split("=", 1) for line in lines)
    if generator.get("behavior") == "merge":
        only(objects, "ConfigMap", generator["name"])["data"] |= data
    else:
        objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data})


def _apply(folder: Path, patch: Mapping[str, Any], objects: list[Object], used: set[Path]) -> None:
    if "path" in patch:
        assert set(patch) == {"path"}
        change = _read(_inside(folder, patch["path"]), used)
        [target] = [one for one in objects if identity(one) == identity(change)]
        target.update(_merged(target, change))
        return
    assert set(patch) == {"target", "patch"}
    assert set(patch["target"]) == {"kind", "name"}
    target = only(objects, **patch["target"])
    for step in yaml.safe_load(patch["patch"]):
        assert step["op"] == "remove"
        *parents, last = step["path"].strip("/").split("/")
        place = target
        for name in parents:
            place = place[name]
        del place[last]


def _merged(old: Object, change: Object) -> Object:
    """Return an object with a strategic merge patch applied."""
    new = dict(old)
    for name, value in change.items():
        if value is None:
            new.pop(name)
        elif isinstance(value, dict) and isinstance(old.get(name), dict):
            new[name] = _merged(old[name], value)
        elif name in MERGE_KEYS and name in old:
            new[name] = _merged_lists(old[name], value, MERGE_KEYS[name])
        else:
            new[name] = value
    return new


def _merged_lists(old: list[Object], changes: list[Object], key: str) -> list[Object]:
    by_key = {item[key]: item for item in old}
    for change in changes:
        by_key[change[key]] = _merged(by_key.get(change[key], {}), change)
    return list(by_key.values())


def _rename(image: Mapping[str, str], objects: list[Object]) -> None:
    assert set(image) <= {"name", "newName", "newTag"}
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        if container["image"].partition(":")[0] == image["name"]:
            container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
