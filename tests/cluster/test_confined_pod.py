import hashlib
import json
import os
import shutil
import subprocess
import sysconfig

import pytest
import yaml

from tests.cluster.manifests import CLUSTER, ROOT
from tests.cluster.plain_user import PLAIN_USER, interpreter, readable_folder
from tests.cluster.test_image import image_environment

TOKEN, KEY = 32 * "0", "sk-of-a-test"
POD = f"""
mount --make-rprivate /
mount --types tmpfs --options mode=1777 tmpfs /dev/shm
mkdir "$1/src" "$1/packages"
mount --bind "$2" "$1/src"
mount --bind "$3" "$1/packages"
mount --rbind "$1" /tmp
shift 3
while read -r _ folder _; do
    case $folder in /proc* | /dev* | /sys* | /tmp) continue ;; esac
    mount --options remount,bind,ro "$folder" || true
done </proc/mounts 2>/dev/null
ip link set lo up
cd /tmp
exec setpriv --reuid {PLAIN_USER} --regid {PLAIN_USER} --clear-groups --no-new-privs \\
    --bounding-set=-all --inh-caps=-all "$@"
"""
"""A shell in namespaces of its own: what a container is, without its image."""
UNSHARE = [
    "unshare",
    "--mount",
    "--pid",
    "--net",
    "--ipc",
    "--fork",
    "--kill-child",
    "--mount-proc",
]


def can_make_namespaces():
    """Whether this user may, and the programs are there."""
    if any(shutil.which(program) is None for program in ("unshare", "setpriv", "ip")):
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0


def small_config(folder):
    """Write serve.yaml of `small` with one replica of each deployment and another key file."""
    config = yaml.safe_load((CLUSTER / "overlays" / "small" / "serve.yaml").read_text())
    for block in config["applications"][0]["deployments"]:
        block["autoscaling_config"]["min_replicas"] = 1
        if "access" in block.get("user_config", {}):
            block["user_config"]["access"] = {"key_file": "/tmp/keys"}
    (folder / "keys").write_text(hashlib.sha256(KEY.encode()).hexdigest() + " a-test\n")
    (folder / "serve.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.ray
@pytest.mark.slow
def test_the_application_runs_as_a_plain_user_on_a_read_only_root():
    """
    As the pods of the manifests: no capabilities, only /tmp (with the home folder in it) to write
    to, a token, the variables of the image. Probes answer without token and key, others do not.
    """
    if not can_make_namespaces():
        pytest.skip("namespaces need root, unshare, setpriv and ip: apt install iproute2")
    python = interpreter()
    with readable_folder() as folder:
        folder.chmod(0o1777)
        small_config(folder)
        (folder / "home").mkdir()
        os.chown(folder / "home", PLAIN_USER, PLAIN_USER)
        environment = image_environment() | {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin",
            "PYTHONPATH": "/tmp/src:/tmp/packages",
            "HOME": "/tmp/home",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
        }
        mounted = [folder, ROOT, sysconfig.get_path("purelib")]
        inside = [python, "-m", "tests.cluster.confined", "/tmp/serve.yaml", "/tmp/seen.json"]
        inside += [TOKEN, KEY, "/tmp/src", "/tmp/packages"]
        done = subprocess.run(
            [*UNSHARE, "sh", "-euc", POD, "pod", *mounted, *inside],
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        seen = json.loads((folder / "seen.json").read_text())

    assert seen == {
        "writable": ["/tmp"],
        "dashboard": 200,
        "agent": 200,
        "no token": 401,
        "token": 200,
        "ready": 200,
        "proxy": 200,
        "no key": 401,
        "key": 200,
        "metrics": 200,
    }
