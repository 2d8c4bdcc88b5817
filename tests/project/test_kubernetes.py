"""The Kubernetes manifests: valid for the API, and true to the server that they run."""

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # the package ships no types
import psutil
import pytest
import yaml  # type: ignore[import-untyped] # the package ships no types

from service.app import create_app
from service.settings.load import load_settings
from service.settings.server import PREFIX, Settings
from service.settings.sources import variables
from service.shutdown import LAST_SECONDS
from tests.support.docs import blocks, shell_lines
from tests.support.kustomize import Object, build, identity, only
from tests.support.live_server import LiveServer
from tests.support.paths import ROOT
from tests.support.processes import run
from tests.support.routes import routes

FOLDER = ROOT / "docker" / "kubernetes"
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
PAGE = ROOT / "docs" / "scale-out.md"
ADAPTER = FOLDER / "components" / "prometheus" / "adapter-rules.yaml"

VERSIONS = ("1.31", "1.37")
"""The oldest and the newest release whose API the manifests must fit."""

EVERYTHING = "everything"
DOCUMENTED = "documented"
VARIANTS = ("base", "overlays/node-local-cache", "overlays/bucket-images", EVERYTHING)

OPERATOR_OBJECTS = {"ServiceMonitor"}
"""Kinds of the Prometheus operator, of which the Kubernetes API has no schema."""

UNITS = {"Mi": 1 << 20, "Gi": 1 << 30}


def folder_of(variant: str, tmp_path: Path) -> Path:
    """Return the folder of a variant; with everything, one whose kustomization has the base and all components."""
    if variant != EVERYTHING:
        return FOLDER / variant
    parts = sorted(path.parent for path in FOLDER.glob("components/*/kustomization.yaml"))
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(FOLDER / "base", tmp_path)],
        "components": [os.path.relpath(part, tmp_path) for part in parts],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return tmp_path


def documented(tmp_path: Path) -> Path:
    """Return the folder of the kustomization that the documentation shows."""
    [block] = [block for block in blocks("yaml") if "kind: Kustomization" in block.code]
    code = block.code.replace("saccade-sampler/docker", os.path.relpath(ROOT / "docker", tmp_path))
    (tmp_path / "kustomization.yaml").write_text(code)
    return tmp_path


@pytest.fixture(params=VARIANTS)
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> list[Object]:
    """All objects of a variant."""
    return build(folder_of(request.param, tmp_path))


@pytest.fixture
def everything(tmp_path: Path) -> list[Object]:
    """All objects of the base and all components."""
    return build(folder_of(EVERYTHING, tmp_path))


def pod_of(objects: list[Object]) -> Object:
    """Return the spec of the pods."""
    pod: Object = only(objects, "Deployment")["spec"]["template"]["spec"]
    return pod


def server_of(objects: list[Object]) -> Object:
    """Return the container of the server."""
    [container] = pod_of(objects)["containers"]
    assert isinstance(container, dict)
    return container


def settings_of(objects: list[Object]) -> dict[str, str]:
    """Return the variables that the server gets, except those from Secrets, with the number of workers filled in."""
    found: dict[str, str] = dict(only(objects, "ConfigMap")["data"])
    container = server_of(objects)
    for variable in container["env"]:
        reference = variable["valueFrom"]["resourceFieldRef"]
        assert reference["containerName"] == container["name"]
        kind, _, resource = reference["resource"].partition(".")
        found[variable["name"]] = container["resources"][kind][resource]
    return found


def size(text: str) -> int:
    """Return the bytes of a quantity such as 4Gi."""
    return int(text[:-2]) * UNITS[text[-2:]]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_fits_the_api(objects: list[Object], version: str) -> None:
    for one in objects:
        if one["kind"] not in OPERATOR_OBJECTS:
            kubernetes_validate.validate(one, version, strict=True)


def test_the_schemas_find_faults(objects: list[Object]) -> None:
    broken = only(objects, "Deployment")
    broken["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readinesProbe"):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_every_file_belongs_to_a_kustomization(tmp_path: Path) -> None:
    used: set[Path] = {ADAPTER}
    for variant in VARIANTS:
        build(folder_of(variant, tmp_path), None, used)
    assert {file for file in FOLDER.rglob("*") if file.is_file()} == {file for file in used if FOLDER in file.parents}


def canonical(value: Any) -> Any:
    """Return a value with the items of its lists of named things in order of their names."""
    if isinstance(value, dict):
        return {name: canonical(inner) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    items = [canonical(item) for item in value]
    return sorted(items, key=lambda item: item["name"]) if all("name" in item for item in items) else items


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("variant", [*VARIANTS, DOCUMENTED])
def test_kubectl_makes_the_same_objects(variant: str, tmp_path: Path) -> None:
    folder = documented(tmp_path) if variant == DOCUMENTED else folder_of(variant, tmp_path)
    printed = run("kubectl", "kustomize", folder).stdout
    named = re.sub(r"\bsampler-settings-[a-z0-9]{10}\b", "sampler-settings", printed)
    made = {identity(one): canonical(one) for one in yaml.safe_load_all(named)}
    assert made == {identity(one): canonical(one) for one in build(folder)}


def test_the_base_has_what_a_cluster_needs() -> None:
    kinds = [one["kind"] for one in build(FOLDER / "base")]
    assert sorted(kinds) == ["ConfigMap", "Deployment", "PodDisruptionBudget", "Service"]


def test_every_setting_exists_and_has_a_valid_value(objects: list[Object], monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings_of(objects)
    own = {name for name in given if name.startswith(PREFIX)}
    assert own <= set(variables())
    assert set(given) - own <= {"AWS_REGION"}
    for name in own:
        monkeypatch.setenv(name, given[name])
    assert load_settings().workers == int(given["SAMPLER_WORKERS"])


def test_ports_and_paths_are_those_of_the_server(objects: list[Object]) -> None:
    container = server_of(objects)
    [port] = container["ports"]
    assert f'"--port", "{port["containerPort"]}"' in DOCKERFILE
    assert "command" not in container
    assert "args" not in container
    paths = {route.path for route in routes(create_app())}
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {probe["path"] for probe in probes.values()} <= paths
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    assert (probes["readiness"]["path"], probes["liveness"]["path"]) == ("/readyz", "/healthz")
    [exposed] = only(objects, "Service")["spec"]["ports"]
    assert (exposed["port"], exposed["targetPort"]) == (port["containerPort"], port["name"])


def test_the_service_is_headless_and_nothing_tells_the_pods_of_it(objects: list[Object]) -> None:
    assert only(objects, "Service")["spec"]["clusterIP"] == "None"
    pod = pod_of(objects)
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False


def test_a_busy_server_is_not_restarted_and_a_first_start_may_take_ten_minutes(objects: list[Object]) -> None:
    def seconds(probe: str) -> int:
        about = server_of(objects)[f"{probe}Probe"]
        return int(about["periodSeconds"]) * int(about["failureThreshold"])

    assert seconds("startup") >= 600
    assert seconds("liveness") >= 60
    assert seconds("readiness") <= 15


def test_responses_in_flight_may_end_before_the_pod_is_killed(objects: list[Object]) -> None:
    given = settings_of(objects).get("SAMPLER_GRACE_SECONDS")
    grace = float(given) if given else Settings.model_fields["grace_seconds"].default
    program, waited = server_of(objects)["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    assert pod_of(objects)["terminationGracePeriodSeconds"] > float(waited) + grace + LAST_SECONDS + 5


def test_pods_run_without_rights(objects: list[Object]) -> None:
    pod = pod_of(objects)
    context = pod["securityContext"]
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert user is not None
    assert context["runAsNonRoot"] is True
    assert [context["runAsUser"], context["runAsGroup"]] == [int(user[1]), int(user[2])]
    assert context["fsGroup"] == int(user[2])
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod["initContainers"], *pod["containers"]]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip


def test_the_server_can_write_its_cache_folder_and_temporary_files_only(objects: list[Object]) -> None:
    cache = re.search(r"SAMPLER_CACHE_DIR=(\S+)", DOCKERFILE)
    assert cache is not None
    mounts = {mount["mountPath"]: mount for mount in server_of(objects)["volumeMounts"]}
    assert {path for path, mount in mounts.items() if not mount.get("readOnly")} == {cache[1], "/tmp"}
    volumes = {volume["name"]: volume for volume in pod_of(objects)["volumes"]}
    assert {mount["name"] for mount in mounts.values()} == set(volumes)
    assert all(len(volume) == 2 for volume in volumes.values()), "each volume has a name and one source"


def test_the_token_and_the_dataset_are_where_the_settings_say(objects: list[Object]) -> None:
    given = settings_of(objects)
    mounts = {mount["mountPath"]: mount["name"] for mount in server_of(objects)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod_of(objects)["volumes"]}
    token = PurePosixPath(given["SAMPLER_TOKEN_FILE"])
    secret = volumes[mounts[str(token.parent)]]["secret"]
    assert (secret["secretName"], token.name) == ("sampler-token", "token")
    assert secret["defaultMode"] & 0o007 == 0, "the server warns of a token that every user can read"
    assert secret["defaultMode"] & 0o040, "the file belongs to root, and its group is that of the pod"
    local = [given[name] for name in ("SAMPLER_ANNOTATIONS", "SAMPLER_IMAGES") if "://" not in given[name]]
    assert local
    for path in local:
        assert mounts[f"/{PurePosixPath(path).parts[1]}"] == "dataset"
    assert volumes["dataset"]["persistentVolumeClaim"]["readOnly"] is True


def test_the_memory_holds_the_arena_and_the_workers(objects: list[Object]) -> None:
    given = settings_of(objects)
    default = Settings.model_construct()
    buffer = int(given.get("SAMPLER_BUFFER_MB", default.buffer_mb))
    needed = buffer + 5 * default.max_requests + 55 + 40 * int(given["SAMPLER_WORKERS"])
    resources = server_of(objects)["resources"]
    assert size(resources["requests"]["memory"]) >= 2 * needed << 20, "half of it for images and mapped files"
    assert resources["limits"]["memory"] == resources["requests"]["memory"]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no list of mapped files")
def test_the_server_uses_no_dev_shm(server: LiveServer) -> None:
    processes = [psutil.Process(server.process.pid), *server.workers()]
    mapped = [{entry.path for entry in process.memory_maps(grouped=False)} for process in processes]
    assert all(any("memfd:saccade-sampler" in path for path in paths) for paths in mapped)
    assert not [path for paths in mapped for path in paths if path.startswith("/dev/shm")]


def test_compiled_kernels_are_copied_once_into_a_new_cache(everything: list[Object], tmp_path: Path) -> None:
    [container] = pod_of(everything)["initContainers"]
    (tmp_path / "image" / "kernels").mkdir(parents=True)
    (tmp_path / "cache").mkdir()
    kernel = tmp_path / "image" / "kernels" / "kernel.nbi"
    command = [
        part.replace("/var/cache/saccade-sampler", f"{tmp_path}/image").replace("/cache/k", f"{tmp_path}/cache/k")
        .replace(" /cache/", f" {tmp_path}/cache/")
        for part in container["command"]
    ]  # fmt: skip
    for content in ("first", "second"):
        kernel.write_text(content)
        run(*command)
        assert (tmp_path / "cache" / "kernels" / "kernel.nbi").read_text() == "first"


def test_selectors_find_the_pods_and_the_service(everything: list[Object]) -> None:
    labels = only(everything, "Deployment")["spec"]["template"]["metadata"]["labels"]
    service = only(everything, "Service")
    pod = pod_of(everything)
    affinity = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    selectors = [
        only(everything, "Deployment")["spec"]["selector"]["matchLabels"],
        only(everything, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        *(one["labelSelector"]["matchLabels"] for one in [*affinity, *pod["topologySpreadConstraints"]]),
    ]
    assert all(selector == labels for selector in selectors)
    assert only(everything, "ServiceMonitor")["spec"]["selector"]["matchLabels"] == service["metadata"]["labels"]


def test_every_object_that_is_named_exists(everything: list[Object]) -> None:
    names = {(kind, name) for _, kind, name in map(identity, everything)}
    container = server_of(everything)
    assert {("ConfigMap", source["configMapRef"]["name"]) for source in container["envFrom"][:1]} <= names
    assert all(source["secretRef"]["optional"] for source in container["envFrom"][1:])
    assert ("ServiceAccount", pod_of(everything)["serviceAccountName"]) in names
    target = only(everything, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) in names
    assert target["apiVersion"] == only(everything, "Deployment")["apiVersion"]


def test_prometheus_reads_the_metrics_with_the_token(everything: list[Object]) -> None:
    monitor = only(everything, "ServiceMonitor")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert set(monitor["spec"]) == {"selector", "endpoints"}
    [endpoint] = monitor["spec"]["endpoints"]
    assert set(endpoint) == {"port", "path", "interval", "scrapeTimeout", "authorization"}
    assert endpoint["port"] == only(everything, "Service")["spec"]["ports"][0]["name"]
    assert endpoint["path"] in {route.path for route in routes(create_app())}
    assert endpoint["authorization"] == {"type": "Bearer", "credentials": {"name": "sampler-token", "key": "token"}}


def test_the_autoscaler_follows_a_metric_of_the_server(everything: list[Object], server: LiveServer) -> None:
    autoscaler = only(everything, "HorizontalPodAutoscaler")["spec"]
    [rule] = yaml.safe_load(ADAPTER.read_text(encoding="utf-8"))["rules"]["custom"]
    [metric] = autoscaler["metrics"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
    series = rule["seriesQuery"].partition("{")[0]
    assert server.metric(series) >= 0
    assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}
    assert all(f"<<.{part}>>" in rule["metricsQuery"] for part in ("Series", "LabelMatchers", "GroupBy"))
    assert "replicas" not in only(everything, "Deployment")["spec"], "it would reset the autoscaler's number"


def test_a_node_with_its_own_cache_has_one_pod() -> None:
    deployment = only(build(FOLDER / "overlays" / "node-local-cache"), "Deployment")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    [volume] = [one for one in deployment["template"]["spec"]["volumes"] if one["name"] == "cache"]
    assert volume == {"name": "cache", "hostPath": {"path": "/var/lib/saccade-sampler", "type": "Directory"}}


def kubectl_options(*names: str) -> Iterator[str]:
    """Yield the values of options of the kubectl commands in the documentation."""
    for line in shell_lines("kubectl"):
        words = shlex.split(line)
        yield from (value for name, value in pairwise(words) if name in names)


def test_the_documentation_names_what_there_is(everything: list[Object]) -> None:
    lines = shell_lines("kubectl")
    text = "\n".join(lines)
    assert {"kubectl apply", "kubectl create"} <= {" ".join(line.split()[:2]) for line in lines}
    secrets = re.findall(r"create secret generic (\S+)", text)
    assert set(secrets) == {"sampler-token", "sampler-bucket"}
    assert set(kubectl_options("--kustomize")) == {"."}  # the reader's own
    folders = set(re.findall(r"saccade-sampler/(docker/kubernetes/[\w/-]+)", PAGE.read_text(encoding="utf-8")))
    assert len(folders) == 3
    assert all((ROOT / folder / "kustomization.yaml").is_file() for folder in folders)
    for label in re.findall(r"kubectl label node \S+ (\S+)", text):
        key, _, value = label.partition("=")
        assert pod_of(everything)["nodeSelector"] == {key: value}
    [folder] = shell_lines("sudo install")
    context = pod_of(everything)["securityContext"]
    owner = f"--owner={context['runAsUser']} --group={context['runAsGroup']}"
    [cache] = [volume["hostPath"]["path"] for volume in pod_of(everything)["volumes"] if "hostPath" in volume]
    assert folder == f"sudo install --directory {owner} {cache}"
    for kind, name in re.findall(r"\b(deployment)/(\S+)", text):
        only(everything, kind.capitalize(), name)
    labels: dict[str, Any] = only(everything, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in kubectl_options("--selector"):
        key, _, value = selector.partition("=")
        assert labels[key] == value


def test_the_kustomization_of_the_documentation_can_be_applied(tmp_path: Path) -> None:
    built = build(documented(tmp_path))
    for one in built:
        if one["kind"] not in OPERATOR_OBJECTS:
            kubernetes_validate.validate(one, VERSIONS[-1], strict=True)
    assert server_of(built)["image"].startswith("registry.example.org/")
    assert {name for name in settings_of(built) if name.startswith(PREFIX)} <= set(variables())
