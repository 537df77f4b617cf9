"""Runs in a confined pod: starts Ray, deploys a file, and writes what it saw."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

RAY = [sys.executable, "-m", "ray.scripts.scripts"]
START = [
    *RAY,
    "start",
    "--head",
    "--block",
    "--num-cpus=4",
    "--dashboard-host=0.0.0.0",
    "--metrics-export-port=8080",
    "--dashboard-agent-listen-port=52365",
    "--object-store-memory=100000000",
]


def status(url, *, token=None, body=None):
    """Return the status of a request; 0 if nothing answers."""
    headers = {"content-type": "application/json"}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait(url, timeout_s):
    """Wait until a URL answers 200; return its last status."""
    deadline = time.monotonic() + timeout_s
    while (found := status(url)) != 200 and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def writable(*folders):
    """Return the folders in which a file can be made."""
    found = []
    for folder in folders:
        try:
            Path(folder, "probe-of-a-test").touch()
        except OSError:
            continue
        found.append(folder)
    return found


def main(config, seen_by, token, key, *folders):
    """Write the statuses that probes and clients see, and where this process may write."""
    seen = {"writable": writable("/", "/tmp", *folders)}
    ray = subprocess.Popen(START, stdout=sys.stderr)
    try:
        seen["dashboard"] = wait("http://127.0.0.1:8265/api/gcs_healthz", 90)
        seen["agent"] = wait("http://127.0.0.1:52365/api/healthz", 30)
        api = "http://127.0.0.1:8265/api/serve/applications/"
        seen["no token"], seen["token"] = status(api), status(api, token=token)
        subprocess.run([*RAY, "serve", "deploy", config], check=True, stdout=sys.stderr)
        seen["ready"] = wait("http://127.0.0.1:8000/ready", 120)
        seen["proxy"] = status("http://127.0.0.1:8000/-/healthz")
        route, prompt = "http://127.0.0.1:8000/v1/route", b'{"prompt": "2+2?"}'
        seen["no key"] = status(route, body=prompt)
        seen["key"] = status(route, token=key, body=prompt)
        seen["metrics"] = status("http://127.0.0.1:8080/metrics")
    finally:
        ray.terminate()
    Path(seen_by).write_text(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
