import shutil
import socket
import subprocess
import time

import pytest

from tests.cluster.manifests import pods


def redis_cli(port, *command, password=""):
    """Return what Redis answers; the password goes by the environment, as in the probes."""
    return subprocess.run(
        ["redis-cli", "-p", str(port), *command],
        capture_output=True,
        text=True,
        timeout=10,
        env={"PATH": "/usr/bin:/usr/local/bin", "REDISCLI_AUTH": password},
    ).stdout.strip()


@pytest.fixture
def server(tmp_path):
    """A Redis with the arguments of the manifest, its folder and its port replaced."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: apt install redis-server")
    (container,) = pods("small")["scope-redis"]["containers"]
    arguments = [
        {"/data": str(tmp_path), "$(REDIS_PASSWORD)": "of-a-test"}.get(a, a)
        for a in container["args"]
    ]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*container["command"], *arguments, "--bind", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while redis_cli(port, "ping", password="of-a-test") != "PONG" and time.monotonic() < deadline:
        time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(timeout=10)


def test_redis_asks_for_the_password_and_keeps_what_it_is_told(server, tmp_path):
    """
    The arguments mean what they should: a Redis without them serves everyone and may drop keys.
    """
    assert redis_cli(server, "ping").startswith("NOAUTH")
    assert redis_cli(server, "set", "key", "value", password="of-a-test") == "OK"
    assert any(tmp_path.rglob("*.aof"))
    kept = redis_cli(server, "config", "get", "maxmemory-policy", password="of-a-test")
    assert kept.split() == ["maxmemory-policy", "noeviction"]
    assert redis_cli(server, "config", "get", "save", password="of-a-test").split() == ["save"]
