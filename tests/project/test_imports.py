"""Imports run `service → sampler ← client`, without cycles, and importing loads only what is needed."""

import ast
import json
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile

import pytest

import sampler
from tests.support.paths import ROOT
from tests.support.processes import run_python

PACKAGES = ("saccade_sampler", "sampler", "service", "client")

ALLOWED = {
    "saccade_sampler": {"saccade_sampler", "sampler", "service", "client"},
    "sampler": {"sampler"},
    "service": {"service", "sampler"},
    "client": {"client", "sampler"},
}
"""Which packages of the project a package may import."""

WITH_JINJA = "Jinja is loaded in a thread, after the start"
LEAN_NODES = "nodes that only render rows do not need the server's packages"
ONLY_SERVERS = "only servers have what it needs"

INSIDE_FUNCTIONS: dict[tuple[str, str], str] = {
    ("client.protocol.proxies", "urllib.request"): "only macOS and Windows; loads ssl, which loaders load later",
    ("client.access", "client.transport.tls"): "a trainer without TLS loads ssl while the loader's process starts",
    ("sampler.dataset.coco.segmentation", "pycocotools"): "only for annotations that carry nothing but a segmentation",
    ("sampler.dataset.dataset", "sampler.dataset.images.object_storage.source"): "only for URLs; needs an extra",
    ("sampler.cli.start", "sampler.cli.group"): "a missing package is one line, Ctrl-C no traceback",
    ("saccade_sampler.planning.command", "saccade_sampler.planning.run"): "the help of commands does not need a server",
    ("saccade_sampler.doctor.command", "saccade_sampler.doctor.run"): "the help of commands does not need httpx",
    ("saccade_sampler.doctor.run", "saccade_sampler.doctor.examine_server"): ONLY_SERVERS,
    ("saccade_sampler.doctor.run", "service.settings.load"): ONLY_SERVERS,
    ("saccade_sampler.doctor.kernels", "sampler.kernels.compiled.code_cache"): "needs Numba",
    ("saccade_sampler.settings.command", "saccade_sampler.settings.client"): "the help of commands does not need httpx",
    ("saccade_sampler.settings.command", "saccade_sampler.settings.server"): ONLY_SERVERS,
    ("service.server.command", "service.server.run"): "the help of commands does not need FastAPI",
    ("saccade_sampler.ray", "service.ray_steps"): LEAN_NODES,
    ("saccade_sampler.ray", "service.settings.server"): LEAN_NODES,
    ("service.explorer.loading", "service.explorer.shell.templates"): WITH_JINJA,
    ("service.routes.samples", "service.explorer.sample.page"): WITH_JINJA,
    ("service.routes.compare", "service.explorer.compare.page"): WITH_JINJA,
    ("service.routes.what_if", "service.explorer.what_if.page"): WITH_JINJA,
    ("service.routes.statistics", "service.explorer.statistics.page"): WITH_JINJA,
    ("service.routes.steps", "service.explorer.steps.page"): WITH_JINJA,
    ("service.routes.images_page", "service.explorer.images.page"): WITH_JINJA,
    ("service.routes.status", "service.explorer.status.page"): WITH_JINJA,
    ("service.routes.api", "service.explorer.api.page"): WITH_JINJA,
    ("service.routes.api", "service.explorer.api.viewers"): WITH_JINJA,
    ("service.routes.access", "service.explorer.shell.login"): WITH_JINJA,
    ("service.middleware.guard", "service.explorer.shell.login"): WITH_JINJA,
    ("service.error_responses", "service.explorer.shell.errors"): WITH_JINJA,
}
"""The imports inside functions: (module, imported module) and the reason."""

BELOW_PAGES = tuple(
    f"service.{folder}." for folder in ("activity", "batches", "lifespan", "monitoring", "views", "workers")
)

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for module, path in MODULES.items():
        yield module, ast.parse(path.read_text(encoding="utf-8"), str(path))


def targets(module: str, node: ast.AST) -> list[str]:
    """The modules that a statement imports, `from package import module` as the module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
        return [f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names]
    return []


def imports_of(module: str, tree: ast.AST) -> set[str]:
    return {target for node in ast.walk(tree) for target in targets(module, node)}


def within_functions(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom))


def test_the_modules_of_all_packages_are_found() -> None:
    assert {module.split(".")[0] for module in MODULES} == set(PACKAGES)
    assert len(MODULES) > 30


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_allowed_packages(package: str) -> None:
    for module, tree in trees():
        if module.split(".")[0] == package:
            ours = {target.split(".")[0] for target in imports_of(module, tree)} & {*PACKAGES, "tests", "benchmarks"}
            assert ours <= ALLOWED[package], module


def test_there_are_no_import_cycles() -> None:
    graph = {module: {name for name in imports_of(module, tree) if name in MODULES} for module, tree in trees()}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path[path.index(module) :], module))
        if module not in done:
            for name in sorted(graph[module]):
                visit(name, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_folders_do_not_import_each_other_in_a_circle() -> None:
    """In each package, its folders and the modules next to them form layers. Imports inside functions count, too."""
    layers: dict[str, dict[str, set[str]]] = {}
    for module, tree in trees():
        for target in imports_of(module, tree) & MODULES.keys():
            parts = zip(module.split("."), target.split("."), strict=False)
            shared = [name for name, _ in takewhile(lambda pair: pair[0] == pair[1], parts)]
            importer, imported = (name.split(".")[len(shared) : len(shared) + 1] for name in (module, target))
            if importer and imported:  # neither is the package itself
                layers.setdefault(".".join(shared), {}).setdefault(importer[0], set()).add(imported[0])
    for package, graph in layers.items():
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            pytest.fail(f"in {package or 'the project'}: {' ← '.join(error.args[1])}")


def test_nothing_below_imports_pages() -> None:
    for module, tree in trees():
        if module.startswith(BELOW_PAGES):
            pages = [target for target in imports_of(module, tree) if target.startswith("service.explorer")]
            assert not pages, module


def test_imports_stand_at_the_top_but_for_those_with_a_reason() -> None:
    for module, tree in trees():
        for node in within_functions(tree):
            for target in targets(module, node):
                allowed = any(
                    module == place and (target == what or target.startswith(f"{what}."))
                    for place, what in INSIDE_FUNCTIONS
                )
                assert allowed, f"{module}, line {node.lineno}: import of {target} inside a function"


def test_every_listed_import_inside_a_function_exists() -> None:
    found = {(module, target) for module, tree in trees() for node in within_functions(tree)
             for target in targets(module, node)}  # fmt: skip
    assert set(INSIDE_FUNCTIONS) <= found


def test_every_import_inside_a_function_has_a_comment() -> None:
    for module, tree in trees():
        lines = MODULES[module].read_text(encoding="utf-8").splitlines()
        for node in within_functions(tree):
            around = lines[node.lineno - 2] + lines[node.lineno - 1]
            assert "#" in around, f"{module}, line {node.lineno}: add a comment with the reason"


def test_no_module_has_a_vague_name() -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "misc", "common", "base", "core", "lib", "tools"}
    assert not [module for module in MODULES if set(module.split(".")[-1].split("_")) & (vague - {"core"})]


def loaded_by(statement: str) -> set[str]:
    """Return the top-level packages, without the standard library, that a statement loads into a new interpreter."""
    program = (
        "import sys, json; before = set(sys.modules)\n"
        f"{statement}\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(json.dumps(sorted(new - set(sys.stdlib_module_names))))"
    )
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})"
    done = run_python("-W", "error", "-I", "-c", f"{path}\n{program}")
    return {name for name in json.loads(done.stdout) if not name.startswith("_")} - {"cython_runtime"}


def test_importing_the_sampler_loads_nothing_else_and_its_names_only_numpy() -> None:
    assert loaded_by("import sampler, sampler.cli.start") == {"sampler"}
    assert loaded_by("from sampler import *") == {"sampler", "numpy"}


def test_modules_of_the_sampler_are_reachable_once_it_is_imported() -> None:
    loaded_by("import sampler; assert sampler.errors.SamplerError is sampler.SamplerError")
    assert not hasattr(sampler, "nothing")


def test_the_wire_loads_numpy_msgpack_and_xxhash_only() -> None:
    assert loaded_by("import sampler.wire.reader") == {"sampler", "numpy", "msgpack", "xxhash"}


def test_importing_the_client_loads_nothing_of_the_server() -> None:
    loaded = loaded_by("from client import *")
    unwanted = {"cv2", "numba", "fastapi", "starlette", "uvicorn", "pydantic", "torch", "PIL", "pycocotools", "service"}
    assert not loaded & unwanted
    assert {"client", "sampler", "numpy", "msgpack", "httpx"} <= loaded


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import service.main", {"obstore", "numba", "llvmlite", "scipy", "jinja2", "httpx", "torch", "client"}),
        (
            "import service.worker",
            {"obstore", "numba", "scipy", "fastapi", "pydantic", "uvicorn", "jinja2", "httpx", "torch"},
        ),
        (
            "import sampler.cli.group, sampler.commands.verify",
            {"obstore", "ray", "numba", "fastapi", "torch", "client"},
        ),
        ("from sampler.kernels.compiled import kernels", {"numba", "scipy", "cv2", "PIL", "pydantic"}),
    ],
)
def test_a_server_starts_without_what_it_does_not_need(statement: str, unwanted: set[str]) -> None:
    assert not loaded_by(statement) & unwanted


@pytest.mark.parametrize("package", ["sampler", "client"])
def test_importing_changes_no_random_state_and_gives_no_warning(package: str) -> None:
    state = "pickle.dumps((random.getstate(), np.random.get_state()))"
    others = "import pickle, random, httpx, numpy as np"  # httpx itself draws when it is imported
    loaded_by(f"{others}; before_it = {state}; import {package}; assert {state} == before_it")
