import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml
from ray.scripts.scripts import start

from deployments.commands.serve import ENVIRONMENT
from tests.cluster.manifests import BUILDS, CLUSTER, ROOT, groups

FILE, VARIABLES = CLUSTER / "ray-up.yaml", CLUSTER / "ray-up.env"
CONFIG = yaml.safe_load(FILE.read_text())
STARTS = [CONFIG["head_start_ray_commands"][-1], CONFIG["worker_start_ray_commands"][-1]]


def environment(home):
    """Return what ray-up.env sets, in a home folder."""
    command = f". {VARIABLES} && env -0"
    done = subprocess.run(
        ["sh", "-c", command],
        env={"HOME": str(home), "PATH": "/bin"},
        capture_output=True,
        check=True,
    )
    return dict(pair.split("=", 1) for pair in done.stdout.decode().split("\0") if pair)


@pytest.mark.parametrize(
    ("more", "sentences"),
    [
        pytest.param({}, [], id="as it is"),
        pytest.param(
            {"worker_ip": []},
            ["Additional properties are not allowed ('worker_ip' was unexpected)"],
            id="with an unknown key",
        ),
    ],
)
def test_the_file_follows_the_schema_of_ray(more, sentences):
    """
    An unknown key is an error there, too.
    """
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())

    found = jsonschema.Draft7Validator(schema).iter_errors({**CONFIG, **more})

    assert [error.message for error in found] == sentences


def test_it_is_for_machines_that_exist():
    """
    Provider local: a head and its workers by address, and no types of nodes to start.
    """
    assert CONFIG["provider"]["type"] == "local"
    assert {"head_ip", "worker_ips"} < set(CONFIG["provider"])
    assert "available_node_types" not in CONFIG


@pytest.mark.parametrize("command", STARTS, ids=["head", "worker"])
def test_every_start_reads_the_variables_first(command):
    """
    They must be there before Ray starts, and each command has a shell of its own.
    """
    assert command.startswith(". ~/scope-router/cluster/ray-up.env && ray start ")


def test_ray_start_knows_the_options():
    """
    Those of both commands here, and `rayStartParams` of the manifests, which become options.
    """
    known = {option for parameter in start.params for option in parameter.opts}
    used = {word.partition("=")[0] for line in STARTS for word in line.split() if word[:2] == "--"}
    for name in BUILDS:
        for group in groups(name).values():
            used |= {f"--{option}" for option in group["rayStartParams"]}

    assert used <= known


def test_the_head_runs_no_replica_and_shows_its_dashboard_to_itself_only():
    """
    An operator opens an SSH tunnel to it.
    """
    head, worker = STARTS

    assert {"--num-cpus=0", "--num-gpus=0", "--dashboard-host=127.0.0.1"} <= set(head.split())
    assert '--address="$RAY_HEAD_IP:6379"' in worker.split()


def test_the_variables_are_those_of_scope_serve_and_ask_for_a_token(tmp_path):
    """
    The token is a file of the home folder, which `ray up` copies to every machine.
    """
    variables = environment(tmp_path)
    expected = {name: value for name, value in ENVIRONMENT.items() if name != "RAY_ADDRESS"}

    assert expected.items() <= variables.items()
    assert variables["RAY_AUTH_MODE"] == "token"
    assert variables["RAY_AUTH_TOKEN_PATH"] == f"{tmp_path}/.ray/auth_token"
    assert CONFIG["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


def test_keys_of_upstreams_are_read_from_a_file_of_the_machine(tmp_path):
    """
    Where there is one; it is not copied, and not in the checkout.
    """
    (tmp_path / ".scope-upstreams").write_text("export OPENROUTER_API_KEY=of-a-test\n")

    assert environment(tmp_path)["OPENROUTER_API_KEY"] == "of-a-test"


def test_the_steps_are_those_of_the_image():
    """
    The checkout is copied, and its script run there.
    """
    assert CONFIG["file_mounts"]["~/scope-router"] == "."
    steps = [re.search(r"~/scope-router/(\S+) (\w+) ~/scope$", c) for c in CONFIG["setup_commands"]]
    found = [(step[1], step[2]) for step in steps if step]

    assert found == [("cluster/image/build.sh", step) for step in ("dependencies", "package")]
    assert (ROOT / "cluster/image/build.sh").exists()
    assert {".git", ".venv"} <= set(CONFIG["rsync_exclude"])
