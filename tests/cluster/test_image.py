import json
import os
import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch

import pytest

from deployments.commands.serve import ENVIRONMENT
from tests.cluster.manifests import CLUSTER, ROOT, pods
from tests.cluster.plain_user import as_plain_user, interpreter, readable_folder

DOCKERFILE = CLUSTER / "Dockerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def image_environment():
    """Return the variables that the image sets."""
    return dict(pair.split("=", 1) for pair in dict(stages()["base"])["ENV"].split())


def instructions():
    """Return (instruction, arguments) of the Dockerfile, its continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def stages():
    """Return the instructions of each stage, by its name."""
    found = {}
    for name, arguments in instructions():
        if name == "FROM":
            base, _, stage = arguments.split()
            found[stage] = [*found.get(base, [])]
        elif found:
            found[list(found)[-1]].append((name, arguments))
    return found


def in_context():
    """Return the patterns of Dockerfile.dockerignore that put a path into the context."""
    lines = (CLUSTER / "Dockerfile.dockerignore").read_text().split("\n")
    return [line[1:] for line in lines if line.startswith("!")]


def pinned():
    """Return the versions in constraints.txt, and torch's in pyproject.toml, by package."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    lines += [line for line in PROJECT["dependencies"] if line.startswith("torch==")]
    pairs = (line.split("==") for line in lines if re.match(r"[\w.-]+==", line))
    return {normal(name): version for name, version in pairs}


def normal(name):
    """Return the name of a package as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_an_image_runs_as_a_user_without_rights(target):
    """
    The last USER counts; pods ask for the same number.
    """
    users = [arguments for name, arguments in stages()[target] if name == "USER"]

    assert users[-1] == "1000:1000"
    assert pods("small")["cpu"]["securityContext"]["runAsUser"] == 1000


def test_everything_that_is_copied_exists_and_is_in_the_context():
    """
    A path that Dockerfile.dockerignore leaves out is missing in the build only.
    """
    for name, arguments in instructions():
        if name != "COPY" or "--from" in arguments:
            continue
        *sources, _ = [part for part in arguments.split() if not part.startswith("--")]
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(fnmatch(source, f"{pattern}*") for pattern in in_context()), source


def test_what_the_package_is_built_from_is_in_the_context():
    """
    Packages, files that pyproject.toml names, and nothing of tests, results or Git.
    """
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = wheel["targets"]["wheel"]
    named = [*wheel["packages"], *wheel["force-include"], PROJECT["readme"], "pyproject.toml"]

    assert set(named) | set(PROJECT["license-files"]) <= set(in_context())
    for pattern in in_context():
        assert (ROOT / pattern).exists(), pattern
    assert not {"tests", "results", ".git", "."} & set(in_context())


def test_the_image_has_the_flags_of_serve():
    """
    Those of `scope serve`, but the address: KubeRay sets it. Every process of Ray reads them.
    """
    flags = image_environment()
    expected = {name: value for name, value in ENVIRONMENT.items() if name != "RAY_ADDRESS"}

    assert expected.items() <= flags.items()
    assert "RAY_ADDRESS" not in flags


def test_the_tag_in_the_dockerfile_is_that_of_the_manifests():
    """
    A reader copies the command from the first lines.
    """
    text = DOCKERFILE.read_text()
    kustomization = (CLUSTER / "components" / "image" / "kustomization.yaml").read_text()

    tags = re.findall(r"-t ghcr.io/your-org/scope-router:(\S+)", text)
    assert tags == re.findall(r"newTag: (\S+)", kustomization)


def test_versions_come_from_two_files_only():
    """
    The Dockerfile and its script name none, but the base: a constant would be forgotten.
    """
    script = (CLUSTER / "image" / "build.sh").read_text()
    requires = PROJECT["requires-python"].removeprefix(">=")

    assert not re.search(r"==\d", DOCKERFILE.read_text() + script)
    (base,) = [arguments for name, arguments in instructions() if name == "ARG"]
    assert base == f"BASE=python:{requires}-slim-bookworm"


def test_a_step_that_does_not_exist_is_named():
    """
    And nothing is installed.
    """
    command = [CLUSTER / "image" / "build.sh", "everything", "/nowhere"]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 2
    assert "the step is 'everything'; expected dependencies or package" in done.stderr


def context(folder):
    """Copy the context of the build into a folder that no user may write."""
    for name in in_context():
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    subprocess.run(["chmod", "--recursive", "u+rwX,go+rX,a-w", folder], check=True)


@pytest.mark.slow
def test_the_steps_of_the_image_run_in_a_clean_folder():
    """
    The script of the Dockerfile, on the context of the Dockerfile, read-only, as no daemon is
    needed for that. A user without rights then runs the program, as a pod does: with a home
    folder and /tmp as the only places to write to.
    """
    with readable_folder() as folder:
        source, target, home = folder / "src", folder / "scope", folder / "home"
        context(source)
        home.mkdir(mode=0o777)
        home.chmod(0o777)
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHON": interpreter()}
        environment |= {k: v for k, v in os.environ.items() if k.startswith("PIP_")}
        for step in ("dependencies", "package"):
            command = [source / "cluster" / "image" / "build.sh", step, target]
            subprocess.run(command, check=True, capture_output=True, env=environment, cwd=folder)
        subprocess.run(["chmod", "--recursive", "a-w", target], check=True)

        def run(*command):
            return subprocess.run(
                [target / "bin" / command[0], *command[1:]],
                capture_output=True,
                text=True,
                check=True,
                cwd=home,
                env={"PATH": f"{target}/bin:/usr/bin:/bin", "HOME": str(home)},
                **as_plain_user(),
            ).stdout

        listed = json.loads(run("python", "-m", "pip", "list", "--format=json"))
        installed = {normal(p["name"]): p["version"].split("+")[0] for p in listed}
        ours = {"scope-router", "pip"}
        assert {n: v for n, v in installed.items() if pinned().get(n) != v and n not in ours} == {}
        assert not {"pytest", "ruff", "mypy", "vllm"} & set(installed)
        assert "Usage: scope demo" in run("scope", "demo", "--help")
        assert run("ray", "--version").strip().endswith(pinned()["ray"])
        where = run("python", "-c", "import deployments.app, scope; print(scope.__file__)")
        assert where.strip().startswith(str(target))
        assert "valid: 17 models" in run("scope", "check", source / "serve_config.yaml")
