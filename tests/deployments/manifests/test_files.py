"""Folders, kustomizations, and files that are something else."""

import shutil
import sys
from pathlib import Path

import pytest

from deployments.manifests import check_files, inspect_files
from tests.factories import manifests

ROOT = Path(__file__).parents[3]
BASE = manifests.RAY_SERVICE.replace(
    f"serveConfigV2: |\n{manifests.indented(manifests.SERVE, 4)}", 'serveConfigV2: ""\n'
).replace(":0.1.0-ray2.60.0", "")
OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../base]
images:
  - {name: ghcr.io/your-org/scope-router, newTag: 0.1.0-ray2.60.0}
configMapGenerator:
  - name: serve
    files: [serve.yaml]
    options: {annotations: {config.kubernetes.io/local-config: "true"}}
patches:
  - path: workers.yaml
replacements:
  - source: {kind: ConfigMap, name: serve, fieldPath: "data.[serve.yaml]"}
    targets:
      - select: {kind: RayService}
        fieldPaths: [spec.serveConfigV2]
"""
PATCH = """\
apiVersion: ray.io/v1
kind: RayService
metadata:
  name: scope
spec:
  rayClusterDeletionDelaySeconds: 60
"""
needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl, which builds kustomizations, is not installed"
)


@pytest.fixture
def cluster(tmp_path):
    """A folder with a base and one overlay, which has a Serve configuration and a patch."""
    for name, text in {
        "base/kustomization.yaml": OVERLAY.split("resources")[0] + "resources: [rayservice.yaml]\n",
        "base/rayservice.yaml": BASE,
        "small/kustomization.yaml": OVERLAY,
        "small/serve.yaml": manifests.SERVE,
        "small/workers.yaml": PATCH,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


INLINE = """\
patches:
  - target: {kind: RayService}
    patch: |-
      - op: add
        path: /spec/rayClusterConfig/workerGroupSpecs/0/template/spec/nodeSelecto
        value: {disk: fast}
"""


def change(path, old, new):
    """Replace a text of a file; return the line of the new one."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path.read_text()[: path.read_text().index(new)].count("\n") + 1


@needs_kubectl
def test_a_kustomization_is_checked_as_it_is_built(cluster):
    """
    Its base has no Serve configuration and no tag of an image, which is no mistake.
    """
    checked = inspect_files([cluster])

    assert [str(finding) for finding in checked.findings] == []
    assert [Path(file).name for file, _ in checked.summaries] == ["serve.yaml"]
    assert checked.n_files == 5


@needs_kubectl
@pytest.mark.parametrize(
    ("file", "old", "new", "remedy"),
    [
        pytest.param("base/rayservice.yaml", "minReplicas", "minReplica", "did you", id="field"),
        pytest.param(
            "base/rayservice.yaml", 'num-cpus: "0"', 'num-cpus: "1"', "set ray", id="rule of base"
        ),
        pytest.param(
            "base/rayservice.yaml", "Seconds: 180", "Seconds: 90", "above 120", id="base and serve"
        ),
        pytest.param("small/workers.yaml", "Delay", "Dely", "did you mean", id="patch"),
        pytest.param("small/serve.yaml", "EveryNode", "HeadOnly", "EveryNode", id="served on pods"),
        pytest.param("small/serve.yaml", "alpha: 0.6", "alpha: 6", "less than", id="served"),
    ],
)
def test_a_mistake_in_an_overlay_is_found_in_its_source(cluster, file, old, new, remedy):
    """
    Rules need the built object; their findings name the file that an operator edits.
    """
    line = change(cluster / file, old, new)
    [finding] = [finding for finding in check_files([cluster]) if finding.level == "error"]

    assert (finding.file, finding.line) == (str(cluster / file), line)
    assert remedy in finding.remedy


@needs_kubectl
def test_a_mistake_in_an_inline_patch_has_its_line(cluster):
    """
    Of a JSON patch, it is that of the value.
    """
    path = cluster / "small" / "kustomization.yaml"
    change(path, "patches:\n", INLINE)
    [finding] = [finding for finding in check_files([cluster]) if finding.level == "error"]
    line = 1 + path.read_text()[: path.read_text().index("value: {disk")].count("\n")

    assert (finding.file, finding.line) == (str(path), line)
    assert finding.remedy == "did you mean nodeSelector?"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        pytest.param(
            "patches:\n",
            "patchs:\n",
            "patchs is no field of a kustomization; did you mean patches?",
            id="field",
        ),
        pytest.param(
            "path: workers",
            "path: worker",
            "patches[0].path names worker.yaml, which is not there; correct the name",
            id="file",
        ),
    ],
)
def test_a_mistake_in_a_kustomization_has_its_line(cluster, old, new, sentence):
    """
    It is found without kubectl, whose sentence would have no line.
    """
    path = cluster / "small" / "kustomization.yaml"
    line = change(path, old, new)
    [finding] = [finding for finding in check_files([cluster]) if finding.level == "error"]

    assert (finding.file, finding.line) == (str(path), line)
    assert sentence in str(finding)


@needs_kubectl
def test_a_kustomization_that_cannot_be_built_is_an_error(cluster):
    """
    The sentence is kubectl's.
    """
    change(cluster / "small" / "kustomization.yaml", "spec.serve", "spec.other.serve")
    [finding] = check_files([cluster])

    assert finding.file == str(cluster / "small" / "kustomization.yaml")
    assert "unable to find field" in finding.message


def test_without_kubectl_the_sources_are_checked(cluster, monkeypatch):
    """
    A warning says that the whole was not.
    """
    monkeypatch.setenv("PATH", "")
    change(cluster / "base/rayservice.yaml", "minReplicas", "minReplica")
    findings = check_files([cluster])

    assert {finding.remedy for finding in findings if finding.level == "warning"} == {
        "install kubectl"
    }
    assert [finding.remedy for finding in findings if finding.level == "error"] == [
        "did you mean minReplicas?"
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("rules.yaml", "groups: []\n", id="rules of Prometheus"),
        pytest.param("values.yaml", "a: 1\n", id="anything else"),
        pytest.param("empty.yaml", "# nothing\n", id="empty"),
        pytest.param("list.yaml", "[1, 2]\n", id="a list"),
        pytest.param(
            "monitor.yaml",
            "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nspec: {any: 1}\n",
            id="a custom resource",
        ),
    ],
)
def test_another_file_in_a_folder_is_left_alone(tmp_path, name, text):
    """
    It has tools of its own.
    """
    (tmp_path / name).write_text(text)

    assert check_files([tmp_path]) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "this file cannot be read", id="missing"),
        pytest.param(b"\xff", "this file cannot be read", id="not UTF-8"),
        pytest.param(b"a: [", "this is not YAML", id="not YAML"),
        pytest.param(b"a: 1", "this is no Serve configuration", id="unknown"),
        pytest.param(b"apiVersion: v1\nkind: [1]", "kind is a list of 1", id="a kind that is none"),
        pytest.param(
            b"apiVersion: ray.io/v1alpha1\nkind: RayCluster\nmetadata: {name: a}\nspec: {}",
            "apiVersion is ray.io/v1alpha1",
            id="an old version",
        ),
    ],
)
def test_a_file_that_was_named_must_be_known(tmp_path, content, message):
    """
    One finding says what is wrong with the file as a whole.
    """
    path = tmp_path / "file.yaml"
    if content is not None:
        path.write_bytes(content)

    finding = check_files([path])[0]

    assert (finding.file, finding.level) == (str(path), "error")
    assert message in finding.message


def test_a_folder_without_a_file_to_check_is_an_error(tmp_path):
    """
    Otherwise a typo of a folder would look like success.
    """
    (tmp_path / "notes.txt").write_text("none")
    [finding] = check_files([tmp_path])

    assert (finding.level, finding.message) == ("error", "this folder has no file to check")


def test_without_the_schemas_of_kubernetes_a_warning_says_so(tmp_path, monkeypatch):
    """
    The fields of KubeRay are still checked.
    """
    monkeypatch.setitem(sys.modules, "kubernetes_validate", None)
    (tmp_path / "a.yaml").write_text(manifests.OBJECTS)
    (tmp_path / "b.yaml").write_text(manifests.RAY_JOB.replace("backoffLimit", "backofLimit"))
    findings = check_files([tmp_path])

    assert [finding.level for finding in findings] == ["warning", "error"]
    assert findings[0].remedy == "pip install 'scope-router[cluster]'"


def test_our_own_folder_of_manifests_has_no_mistake():
    """
    Its three overlays describe an application each.
    """
    checked = inspect_files([ROOT / "cluster"])
    served = {Path(file).parent.name for file, _ in checked.summaries}

    assert [str(finding) for finding in checked.findings if finding.level == "error"] == []
    assert served == {"small", "production", "gpu"}
