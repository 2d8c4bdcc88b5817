"""README and documentation: their code runs, their commands exist, their tables are those of the program."""

import json
import re
import shlex
import shutil
import ssl
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from client import Batch, SamplerClient
from client.loading.loader import AHEAD, LOG_EVERY
from client.protocol.retries import ATTEMPTS, BATCH_SECONDS, MAX_WAIT
from client.transport.timeouts import TIMEOUT
from saccade_sampler.cli.table import COMMANDS
from sampler.cli.exit_status import CANNOT_RUN, FINDINGS, INTERRUPTED, OUTPUT_CLOSED
from sampler.config.cornernet_lite import config_of
from sampler.dataset.verification.kinds import KINDS
from sampler.wire.problem_types import PROBLEM_TYPES
from service.app import create_app
from service.metrics import METRICS
from service.server.tls import server_context
from service.settings.load import load_settings
from service.settings.server import FILE_VARIABLE, PREFIX, Settings
from service.settings.sources import variables
from tests.support.docs import HERE, HOST, PAGES, SEVERAL, Block, blocks, shell_lines, table
from tests.support.live_server import LiveServer
from tests.support.paths import ROOT
from tests.support.processes import run, run_python

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))

COMPUTED = {"workers": "one per CPU", "cache_dir": "the user's cache folder"}
"""Defaults that depend on the machine."""

ELSEWHERE = ("saccade_sampler.ray", "saccade_sampler.lightning", "saccade_sampler.cornernet_lite")
"""Modules whose own tests check the blocks that import them."""

PYTHON = [block for block in blocks("python") if not any(module in block.code for module in ELSEWHERE)]
NEEDS_TORCH = re.compile(r"^(?:import torch$|from (?:torch|accelerate))", re.MULTILINE)
TAKES_TORCH = re.compile(r'\.torch\(|device="cuda"')
SCRIPT = next(block.code for block in PYTHON if block.page == "README.md")
"""Pages begin with it. It prints the loss of each step."""
WITHOUT_TORCH = [block for block in PYTHON if not NEEDS_TORCH.search(block.code)]
WITH_TORCH = [
    block
    for block in PYTHON
    if block.code != SCRIPT and (NEEDS_TORCH.search(block.code) or TAKES_TORCH.search(block.code))
]


def run_example(block: Block, server: LiveServer) -> int:
    """Run a block against a server, for two steps at most; return how often it called `train_step`."""
    stop = "9_502" if "9_500" in block.code else "2"
    code = block.code.replace(HOST, server.url).replace(HERE, server.url)
    code = code.replace("500_000", stop).replace('"cuda"', '"cpu"')
    for url, name in zip(SEVERAL, ("127.0.0.1", "localhost"), strict=True):
        code = code.replace(url, server.url.replace("127.0.0.1", name))  # one server by two names
    calls: list[tuple[object, object]] = []
    names = {"__name__": "example", "train_step": lambda xs, ys: calls.append((xs, ys))}
    exec(compile(code, block.page, "exec"), names)
    return len(calls)


def expected_calls(block: Block) -> int:
    return 2 if "train_step(" in block.code else 0


@pytest.mark.parametrize("block", WITHOUT_TORCH, ids=lambda block: block.page)
def test_python_examples_run_with_numpy(
    block: Block, server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = re.sub(r'^ *device="cuda".*\n', "", block.code, flags=re.MULTILINE).replace('batch.torch("cuda")', "batch")
    assert run_example(Block(block.page, code), server) == expected_calls(block)


@pytest.mark.parametrize("block", WITH_TORCH, ids=lambda block: block.page)
def test_python_examples_run_with_pytorch(block: Block, server: LiveServer) -> None:
    pytest.importorskip("torch", reason="the torch extra is not installed: make test TORCH=1")
    if "accelerate" in block.code:
        pytest.importorskip("accelerate")
    assert run_example(block, server) == expected_calls(block)


def test_the_examples_cover_the_ways_to_receive_batches() -> None:
    code = "".join(block.code for block in PYTHON)
    for name in ("loader(", ".stream(", ".batch(", "AsyncSamplerClient(", "load_state_dict(", "DataLoader("):
        assert name in code
    assert len(WITH_TORCH) >= 2


def test_readme_and_training_page_begin_with_one_script() -> None:
    assert next(block.code for block in PYTHON if block.page == "docs/training.md") == SCRIPT


def test_the_script_trains_as_pasted(server: LiveServer, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="the torch extra is not installed: make test TORCH=1")
    run_example(Block("README.md", SCRIPT), server)
    steps = re.findall(r"^step (\d+): loss ([\d.]+)$", capsys.readouterr().out, re.MULTILINE)
    assert [int(step) for step, _ in steps] == list(range(20))
    losses = [float(loss) for _, loss in steps]
    assert sum(losses[-5:]) < sum(losses[:5])


PROGRAM = f"{shlex.quote(sys.executable)} -m saccade_sampler"
LAYOUTS_OF_A_STEP = shell_lines("saccade-sampler fetch http://cpu-host:8000 --seed 7 --step 9500", "cmp")


def test_commands_do_what_the_pages_say(server: LiveServer, scenes: tuple[Path, Path], tmp_path: Path) -> None:
    annotations, images = scenes
    # A separate cache folder, because recorded hashes of images would change the servers of other tests.
    settings = {"annotations": annotations, "images": images, "cache_dir": tmp_path / "cache"}
    elsewhere = tuple(f"saccade-sampler {name}" for name in ("serve", "plan", "settings", "doctor"))
    commands = [line for line in shell_lines("saccade-sampler") if not line.startswith(elsewhere)]
    assert {line.split()[1] for line in commands} >= {"index", "verify", "decode", "fetch", "bench", "recipe", "replay"}
    for line in dict.fromkeys(commands):
        if line in LAYOUTS_OF_A_STEP:
            continue
        here = re.sub(r"/data/coco/(train|val)2017", shlex.quote(str(images)), line.replace(HOST, server.url))
        here = re.sub(r"/data/coco/annotations/\S+", shlex.quote(str(annotations)), here)
        here = here.replace("--seconds 10", "--seconds 0.5").replace("saccade-sampler", PROGRAM, 1)
        run("/bin/sh", "-c", here, cwd=tmp_path, settings=settings, variables={"PYTHONPATH": ROOT})
    assert (tmp_path / "batch.npz").is_file()
    assert len(list((tmp_path / "step-9500").glob("*.npz"))) == 48


def test_two_layouts_of_a_step_are_files_of_the_same_bytes(server: LiveServer, tmp_path: Path) -> None:
    assert [line.split()[0] for line in LAYOUTS_OF_A_STEP] == ["saccade-sampler", "saccade-sampler", "cmp"]
    for line in LAYOUTS_OF_A_STEP:
        here = line.replace(HOST, server.url).replace("saccade-sampler", PROGRAM, 1)
        done = run("/bin/sh", "-c", here, cwd=tmp_path, variables={"PYTHONPATH": ROOT})
    assert done.stdout == "the same\n"


def test_every_curl_command_fetches_what_its_file_name_says(server: LiveServer) -> None:
    kinds = {".png": "image/png", ".msgpack": "application/x-msgpack"}
    commands = shell_lines("curl")
    assert len(commands) >= 2
    for line in commands:
        _, _, header, _, file, url = shlex.split(line)
        name, _, value = header.partition(": ")
        address = url.replace(HOST, server.url).replace("/33.png", "/10.png")
        response = httpx.get(address, headers={name: value}, timeout=60)
        assert (response.status_code, response.headers["content-type"]) == (200, kinds[Path(file).suffix])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_the_openssl_commands_make_a_certificate_that_clients_accept(tmp_path: Path) -> None:
    commands = shell_lines("openssl")
    assert len(commands) == 2
    for line in commands:
        run("/bin/sh", "-c", line, cwd=tmp_path)
    server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
    here = server_context(tmp_path / "chain.pem", tmp_path / "key.pem").wrap_bio(*server, server_side=True)
    there = client_context.wrap_bio(server[1], server[0], server_hostname="cpu-host")
    for side in (there, here, there, here):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    accepted = there.getpeercert()
    assert accepted is not None
    assert accepted["subjectAltName"] == (("DNS", "cpu-host"), ("DNS", "localhost"))


def test_every_option_of_a_serve_command_exists() -> None:
    commands = shell_lines("saccade-sampler serve")
    assert commands
    known = run_python("-m", "service", "--help").stdout
    assert [
        option for line in commands for option in re.findall(r"--[a-z-]+", line) if f" {option} " not in known
    ] == []


def test_the_plan_commands_measure_save_and_plan(scenes: tuple[Path, Path], tmp_path: Path) -> None:
    settings = {"annotations": scenes[0], "images": scenes[1], "cache_dir": tmp_path / "cache"}
    first, *others = shell_lines("saccade-sampler plan")
    for line in (f"{first} --seconds 0.6", *others):
        here = line.replace("saccade-sampler", PROGRAM, 1)
        done = run("/bin/sh", "-c", here, cwd=tmp_path, settings=settings, variables={"PYTHONPATH": ROOT})
        assert "\nResult: " in done.stdout
    assert "--save" in first
    assert all("--from" in line for line in others)


def test_settings_and_doctor_take_the_options_of_the_pages(server: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text("workers = 3\n")
    commands = shell_lines("saccade-sampler settings", "saccade-sampler doctor")
    assert len(commands) == 3
    checks: set[str] = set()
    for line in commands:
        words = shlex.split(line.replace(HOST, server.url))[1:]
        variables = {"PYTHONPATH": ROOT, "SAMPLER_CACHE_DIR": tmp_path}
        done = run_python("-m", "saccade_sampler", *words, "--json", cwd=tmp_path, variables=variables)
        checks |= {finding["check"] for finding in json.loads(done.stdout).get("findings", ())}
    named = {name for row in table("docs/troubleshooting.md", "checks") for name in re.findall("`([^`]+)`", row[0])}
    assert {re.sub("^extra .*", "extra …", check) for check in checks} <= named
    assert checks >= {"memory", "descriptors", "server", "digest", "clock"}


def test_every_shell_command_is_of_a_program_that_is_checked() -> None:
    checked = (
        "python -m",
        "python examples/",
        "node examples/",
        "torchrun --standalone --nproc-per-node 4 examples/",
        "ACCELERATE_USE_CPU=1 torchrun --standalone --nproc-per-node 2 examples/",
        "saccade-sampler ",
        "cmp ",
        "curl ",
        "make ",
        ". .venv/bin/activate",
        "pip install",
        "export ",
        "openssl req ",
        "COCO=/data/coco docker",
        "docker run ",
        "docker buildx build ",
        "git tag ",
        "git push ",
        "pipx run twine upload ",
        "kubectl ",
        "sudo install ",
        "ray start ",
        "ray get-auth-token ",
        "serve run ",
        "serve build ",
        "serve deploy ",
    )
    assert [line for line in shell_lines() if not line.startswith(checked)] == []


def test_every_make_command_exists() -> None:
    named = {line.split()[1] for line in shell_lines("make ")}
    named |= {target for text in PAGES.values() for target in re.findall(r"`make ([a-z]+)", text)}
    assert {"demo", "test", "serve", "lock", "setup", "docs", "bench"} <= named <= TARGETS


def test_every_extra_to_install_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [extras for text in PAGES.values() for extras in re.findall(r"'\.\[([\w,]+)\]'", text)]
    named = {extra for extras in lists for extra in extras.split(",")}
    assert {"server", "compiled", "torch"} <= named <= set(project["optional-dependencies"])


def test_every_setting_that_is_named_exists() -> None:
    known = {*variables(), "SAMPLER_VERSION", "SAMPLER_URL"}
    assert {name for text in PAGES.values() for name in re.findall(r"\bSAMPLER_[A-Z_]+[A-Z]", text)} <= known


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: block.page)
def test_every_settings_file_that_is_shown_is_accepted(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(block.code, encoding="utf-8")
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    assert all(dataset.annotations and dataset.images for dataset in load_settings().served.values())


def test_make_alone_lists_every_command() -> None:
    listed = run("make").stdout
    for target in TARGETS:
        assert f"\n  {target} " in listed


# --- tables ---


def settings_rows() -> list[list[str]]:
    """The settings table as it has to be."""
    rows = []
    for name, field in Settings.model_fields.items():
        if name == "datasets":  # has no variable
            continue
        default = "–" if field.default is None else f"`{str(field.default).lower()}`"
        rows.append([f"`{PREFIX}{name.upper()}`", COMPUTED.get(name, default), field.description or ""])
    return rows


def problem_rows() -> list[list[str]]:
    """The table of problem types as it has to be."""
    return [[f"`{kind}`", str(code), title] for kind, (code, title) in PROBLEM_TYPES.items()]


def metric_rows() -> list[list[str]]:
    """The table of metrics as it has to be."""
    return [[f"`{one.name}`", ", ".join(f"`{label}`" for label in one.labels) or "–", one.help] for one in METRICS]


def test_the_settings_table_is_that_of_the_server() -> None:
    assert table("docs/serving.md", "settings") == settings_rows()


def test_the_table_of_commands_is_that_of_the_program() -> None:
    rows = [[f"`{name}`", command.help, f"`{command.extra}`"] for name, command in COMMANDS.items()]
    assert table("docs/commands.md", "commands") == rows


def test_the_table_of_exit_statuses_has_all() -> None:
    statuses = [int(status) for status, _ in table("docs/commands.md", "exit statuses")]
    assert statuses == [0, FINDINGS, CANNOT_RUN, INTERRUPTED, OUTPUT_CLOSED]


@pytest.mark.parametrize(("name", "is_fault"), [("faults", True), ("notes", False)])
def test_each_finding_of_verify_is_explained(name: str, is_fault: bool) -> None:
    expected = {f"`{kind}`": about for kind, about in KINDS.items() if about.is_fault == is_fault}
    rows = table("docs/dataset.md", name)
    assert [kind for kind, *_ in rows] == list(expected)
    for kind, meaning, reason, remedy in rows:
        assert (meaning, remedy) == (expected[kind].meaning, expected[kind].remedy)
        assert reason.endswith(".")


@pytest.mark.filterwarnings("ignore::sampler.config.cornernet_lite.IgnoredKeysWarning")
@pytest.mark.parametrize("scales", [{}, {"rand_scales": None}])
@pytest.mark.parametrize(("function", "needed"), [
    ("cornernet", {"rand_crop": True}), ("cornernet_saccade", {"input_size": [255, 255]}),
])  # fmt: skip
def test_a_config_file_with_the_defaults_of_the_table_is_that_without_them(
    function: str, needed: dict[str, Any], scales: dict[str, Any]
) -> None:
    rows = table("docs/serving.md", "config defaults")
    defaults = {key.strip("`"): json.loads(value.strip("`")) for key, value in rows}
    system = {"sampling_function": function}
    given = config_of({"system": system, "db": defaults | scales | needed}, "mine")
    assert given == config_of({"system": system, "db": scales | needed}, "mine")
    assert set(defaults) >= {"border", "gaussian_iou", "rand_scale_min", "att_ranges"}


def test_the_problem_table_is_that_of_the_server() -> None:
    assert table("docs/api.md", "problems") == problem_rows()


def test_the_endpoint_table_is_that_of_the_server() -> None:
    paths = create_app().openapi()["paths"]
    served = {f"`{method.upper()} {path}`" for path, methods in paths.items() for method in methods if method != "head"}
    assert {row[0] for row in table("docs/api.md", "endpoints")} == served


def test_the_metrics_table_is_that_of_the_server() -> None:
    assert table("docs/monitoring.md", "metrics") == metric_rows()


def array_rows(batch: Batch) -> dict[str, tuple[str, str]]:
    """Shape and dtype of each array as the table has them, with numbers in place of the letters that it explains."""
    config = batch.spec.config
    height, width = config.output_size
    sides = {
        "B": len(batch), "C": batch.spec.categories, "H": height, "W": width, "M": config.max_objects,
        "S": config.input_size[0],
    }  # fmt: skip
    return {
        name: (re.sub("[A-Z]", lambda letter: str(sides[letter[0]]), shape), dtype)
        for names, shape, dtype, _ in table("docs/training.md", "arrays")
        for name in re.findall(r"`(\w+)`", names)
    }


def test_the_table_of_arrays_is_that_of_a_batch(server: LiveServer) -> None:
    with SamplerClient(server.url) as client:
        batch = client.batch(indices=[3, 17, 5])
    rows = array_rows(batch)
    shape, dtype = rows.pop("attentions")
    for number, attention in enumerate(batch.spec.config.attention):
        side = str(attention.size[0])
        rows[f"attentions_{number}"] = shape.removesuffix(" each").replace("a", side), dtype
    arrays = batch.arrays | {"untagged": batch.untagged}
    assert rows == {name: (str(array.shape), str(array.dtype)) for name, array in arrays.items()}


def test_the_table_of_defaults_is_that_of_the_client() -> None:
    values = {name: float(value) for name, value, _ in table("docs/api.md", "defaults")}
    assert values == {
        "`AHEAD`": AHEAD, "`LOG_EVERY`": LOG_EVERY, "`ATTEMPTS`": ATTEMPTS, "`MAX_WAIT`": MAX_WAIT,
        "`BATCH_SECONDS`": BATCH_SECONDS, "`TIMEOUT`": TIMEOUT.read,
    }  # fmt: skip
    assert (TIMEOUT.connect, TIMEOUT.write) == (5, 30)
