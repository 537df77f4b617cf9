"""What an operator does on a cluster, in a process that ends: scenarios survive their cluster.

``python -m tests.deployments.nodes.steps ADDRESS PORT PROXIES [CHANGES]`` deploys
serve_config.yaml with changes (JSON), if there are some, and prints what runs.
"""

import json
import subprocess
import sys

import ray
from ray import serve
from ray.serve.context import _get_global_client

from tests.deployments.nodes.graph import ROOT, print_result, replicas
from tests.deployments.serving import Served

TIMEOUT_S = 100


def step(address, port, proxies, changes=None):
    """Run this module in a process of its own; return what it prints."""
    changed = [] if changes is None else [json.dumps(changes)]
    command = [sys.executable, "-m", "tests.deployments.nodes.steps", address, str(port), proxies]
    done = subprocess.run(
        [*command, *changed],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


def main(address, port, proxies, changes="null"):
    ray.init(address=address, namespace="serve", log_to_driver=False)
    http = {"host": "127.0.0.1", "port": int(port)}
    serve.start(http_options=http, proxy_location=proxies)
    if (wanted := json.loads(changes)) is not None:
        Served(f"http://127.0.0.1:{port}").deploy(**wanted)
    details = _get_global_client().get_serve_details()["applications"]["scope"]
    print_result(
        {
            "status": details["status"],
            "config": details["deployed_app_config"],
            "replicas": replicas(),
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
