"""Alerts, dashboard and documentation name only metrics and labels that a server has, and Prometheus accepts them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped] # the package ships no types

from service.metrics import METRICS
from tests.support.docs import PAGES, table
from tests.support.live_server import LiveServer
from tests.support.paths import ROOT
from tests.support.promql import selection

PROMETHEUS = ROOT / "docker" / "prometheus"
GRAFANA = ROOT / "docker" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "saccade-sampler.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
TARGET_LABELS = {"job", "instance"}
"""Labels that Prometheus adds to every series of a server."""

OF_PROMETHEUS = {"up": TARGET_LABELS, "ALERTS": {"alertname", "alertstate", *TARGET_LABELS}}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool: install the package prometheus"
)


def labels_of(server: LiveServer) -> dict[str, set[str]]:
    """The labels of each series that a Prometheus has of a server: those of the table, and those that it responds."""
    found: dict[str, set[str]] = {}
    for metric in METRICS:
        suffixes = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        for suffix in suffixes:
            found[metric.name + suffix] = {*metric.labels, *TARGET_LABELS, *(("le",) if suffix == "_bucket" else ())}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", httpx.get(f"{server.url}/metrics").text, re.MULTILINE):
        found.setdefault(name, set(TARGET_LABELS)).update(re.findall(r'(\w+)="', labels))
    return found | OF_PROMETHEUS


def expressions() -> Iterator[tuple[str, str]]:
    """Yield each expression and where it is."""
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for block in re.findall(r"^```promql\n(.*?)^```", PAGES["docs/monitoring.md"], re.MULTILINE | re.DOTALL):
        for expression in block.split("\n\n"):
            yield "docs/monitoring.md", expression


def filled(expression: str) -> str:
    """Return an expression of the dashboard with values in place of Grafana's variables."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$dataset", ".*")


def promtool(*arguments: str | Path) -> str:
    """Run promtool and return what it prints; fails if it finds a fault."""
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_metric_and_label_in_alerts_and_dashboard_exists(server: LiveServer) -> None:
    known = labels_of(server)
    wrong: list[tuple[str, str, set[str]]] = []
    for place, expression in expressions():
        used = selection(filled(expression))
        of_all = set().union(*(known.get(name, set()) for name in used.matched))
        wrong += [
            (place, name, labels) for name, labels in used.matched.items() if not labels <= known.get(name, set())
        ]
        wrong += [(place, name, set()) for name in used.matched if name not in known]
        wrong += [(place, expression, used.grouped - of_all)] if used.grouped - of_all else []
    assert wrong == []
    assert sum(1 for _ in expressions()) > 60


def test_every_metric_that_files_and_pages_name_exists() -> None:
    names = {metric.name for metric in METRICS}
    series = names | {f"{metric.name}_{part}" for metric in METRICS for part in ("bucket", "sum", "count")}
    adapted = {"sampler_queued_samples_mean"}  # what the Prometheus adapter makes of it
    files = [*(ROOT / "docker" / "kubernetes").rglob("*.yaml"), *(ROOT / "examples").glob("*.py")]
    texts = PAGES | {str(file): file.read_text(encoding="utf-8") for file in files}
    pattern = re.compile(
        r"(?<![\w./-])sampler_(?:\w+_(?:total|seconds|bytes|samples\w*|images|responses|info)|workers\w*)\b(?!\()"
    )
    named = {(page, name) for page, text in texts.items() for name in pattern.findall(text)}
    assert {one for one in named if one[1] not in series | adapted} == set()
    assert {name for _, name in named} >= {"sampler_queued_samples", "sampler_worker_restarts_total"}


def test_each_alert_says_how_bad_it_is_and_the_page_says_what_to_do() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names)
    rows = {name.strip("`"): (severity, remedy) for name, severity, _, remedy in table("docs/monitoring.md", "alerts")}
    assert list(rows) == names
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rows[rule["alert"]][0] == rule["labels"]["severity"]
        assert rows[rule["alert"]][1].endswith(".")
        assert not rule["annotations"]["summary"].endswith(".")


def test_each_alert_is_tested_with_a_server_that_is_well_and_one_that_is_not() -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    expected = [(one["alertname"], "exp_alerts" in one) for test in tests for one in test["alert_rule_test"]]
    assert set(expected) == {(rule["alert"], fires) for rule in ALERTS for fires in (True, False)}


@needs_promtool
def test_prometheus_accepts_the_rules_and_they_fire_as_tested() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", PROMETHEUS / "alerts.yml")
    assert "SUCCESS" in promtool("test", "rules", PROMETHEUS / "alerts_test.yml")


@needs_promtool
def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("correct-horse-battery")
    text = (PROMETHEUS / "prometheus.yml").read_text().replace("/tmp/sampler-token", str(token))
    (tmp_path / "prometheus.yml").write_text(text)
    shutil.copy(PROMETHEUS / "alerts.yml", tmp_path)
    assert "is valid prometheus config" in promtool("check", "config", tmp_path / "prometheus.yml")


@needs_promtool
def test_prometheus_accepts_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": filled(expr)} for number, (_, expr) in enumerate(expressions())]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", tmp_path / "queries.yml")


# Seconds per minute that 4 workers are busy and use a CPU, and that responses wait for workers and for clients.
BOTTLENECKS = {
    "no training": ((0, 0, 0, 0), None),
    "Trainers": ((60, 50, 5, 100), 0),
    "Requests": ((60, 50, 100, 5), 1),
    "Workers": ((235, 200, 100, 5), 2),
    "Storage": ((235, 20, 100, 5), 3),
    "Workers, where the system does not tell": ((235, 0, 100, 5), 2),
}


@needs_promtool
def test_the_dashboard_names_the_bottleneck_and_none_while_nobody_trains(tmp_path: Path) -> None:
    [panel] = [panel for panel in PANELS if panel["title"] == "Bottleneck"]
    tests = [
        {
            "name": name,
            "interval": "1m",
            "input_series": [
                {"series": 'sampler_workers{instance="a"}', "values": "4x20"},
                {"series": 'sampler_worker_busy_seconds_total{instance="a"}', "values": f"0+{busy}x20"},
                {"series": 'sampler_worker_cpu_seconds_total{instance="a"}', "values": f"0+{cpu}x20"},
                *(
                    {
                        "series": f'sampler_waiting_seconds_total{{instance="a",dataset="b",reason="{reason}"}}',
                        "values": f"0+{seconds}x20",
                    }
                    for reason, seconds in (("workers", workers), ("client", client))
                ),
            ],
            "promql_expr_test": [
                {
                    "expr": filled(panel["targets"][0]["expr"]).replace("[1m]", "[5m]"),
                    "eval_time": "15m",
                    "exp_samples": [] if value is None else [{"labels": "{}", "value": value}],
                }
            ],
        }
        for name, ((busy, cpu, workers, client), value) in BOTTLENECKS.items()
    ]
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"tests": tests}))
    assert "SUCCESS" in promtool("test", "rules", tmp_path / "test.yml")
    shown = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    assert {text["text"] for text in shown.values()} == set(BOTTLENECKS) - {
        "no training",
        "Workers, where the system does not tell",
    }


# --- what Grafana needs of a dashboard, which it reports only when it shows it ---


def test_the_dashboard_is_of_a_schema_that_grafana_reads() -> None:
    assert DASHBOARD["schemaVersion"] >= 36, "older ones refer to data sources by name"
    assert re.fullmatch(r"[a-z-]{1,40}", DASHBOARD["uid"])
    assert "id" not in DASHBOARD, "the number of a database"
    assert {panel["type"] for panel in PANELS} == {"row", "stat", "table", "timeseries"}


def test_panels_have_different_ids_and_their_targets_different_letters() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        letters = [target["refId"] for target in panel.get("targets", ())]
        assert letters == sorted(set(letters))
        assert panel["type"] == "row" or (letters and panel["title"] and panel["description"].endswith("."))


def test_panels_lie_in_the_grid_and_none_covers_another() -> None:
    places = [panel["gridPos"] for panel in PANELS]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        assert place["h"] > 0
    for one, other in combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y


def test_all_panels_ask_the_data_source_that_is_provisioned() -> None:
    [source] = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["query"] == source["type"] == "prometheus"
    assert variables["datasource"]["current"]["value"] == source["uid"]
    asked = [one["datasource"] for panel in PANELS for one in (panel, *panel.get("targets", ())) if "datasource" in one]
    assert all(one == {"type": "prometheus", "uid": "${datasource}"} for one in asked)
    used = set(re.findall(r"\$\{?(\w+)", " ".join(expr for _, expr in expressions())))
    assert used <= {*variables, "__rate_interval"}


def test_a_legend_names_labels_that_its_series_have() -> None:
    for panel in PANELS:
        for target in panel.get("targets", ()):
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert shown - {"instance"} <= selection(filled(target["expr"])).grouped


def test_the_first_row_answers_what_an_operator_asks_first() -> None:
    first = [panel["title"] for panel in PANELS if panel["gridPos"]["y"] == 0]
    assert first == ["Waiting for workers", "Bottleneck", "Workers busy", "Samples per second", "What is wrong"]


# --- how they are started ---


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the profile `observe`."""
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))
    return {name: one for name, one in compose["services"].items() if "observe" in one.get("profiles", ())}


def test_prometheus_and_grafana_are_official_images_of_one_version(services: dict[str, Any]) -> None:
    images = {one["image"].partition(":")[0]: one["image"].partition(":")[2] for one in services.values()}
    assert images.keys() == {"prom/prometheus", "grafana/grafana"}
    assert all(re.fullmatch(r"v?\d+\.\d+\.\d+", tag) for tag in images.values())


def test_no_other_host_reaches_them(services: dict[str, Any]) -> None:
    assert [port for one in services.values() for port in one["ports"] if not port.startswith("127.0.0.1:")] == []


def test_grafana_has_no_password_that_anyone_knows(services: dict[str, Any]) -> None:
    environment = services["grafana"]["environment"]
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_the_token_reaches_prometheus_as_a_file(services: dict[str, Any]) -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    [job] = config["scrape_configs"]
    file = job["authorization"]["credentials_file"]
    script = services["prometheus"]["entrypoint"][-1]
    assert f"printf '%s' \"$$SAMPLER_TOKEN\" > {file}" in script
    assert script.startswith("umask 077")
    assert any(file.startswith(f"{folder}/") for folder in services["prometheus"]["tmpfs"])
    assert services["prometheus"]["environment"] == {"SAMPLER_TOKEN": "${SAMPLER_TOKEN:-}"}
    assert job["static_configs"] == [{"targets": ["sampler:8000"]}]


def test_every_file_that_the_services_read_exists(services: dict[str, Any]) -> None:
    mounted = dict(
        volume.split(":")[1::-1] for one in services.values() for volume in one["volumes"] if volume.startswith("./")
    )
    assert all((ROOT / "docker" / source).is_dir() for source in mounted.values())
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    folder, _, name = home.rpartition("/")
    assert (ROOT / "docker" / mounted[folder] / name).is_file()
    [provider] = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "saccade-sampler.yml").read_text())[
        "providers"
    ]
    assert provider["options"]["path"] == folder
