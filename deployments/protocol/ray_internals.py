"""The only module of the endpoint that uses private names of Ray."""

from ray._private.ray_constants import DASHBOARD_ADDRESS, KV_NAMESPACE_DASHBOARD
from ray._private.services import find_gcs_addresses
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # written in Cython
from ray.exceptions import RayError
from ray.serve.context import _get_global_client


def http_host() -> str:
    """Return the address at which Serve's HTTP proxies listen."""
    client = _get_global_client()
    assert client is not None  # without a client it raises
    host: str = client.http_config.host
    return host


def local_dashboards(timeout_s: int = 5) -> tuple[str, ...]:
    """Return the addresses of the dashboards of all Rays on this machine, each once.

    A Ray without a dashboard, as that of an offline job, names the usual address all the same.
    Ray's own look-up trusts a file that a killed cluster leaves behind, and then waits for it.
    """
    found = []
    addresses: set[str] = find_gcs_addresses()  # type: ignore[no-untyped-call]
    for address in sorted(addresses):
        try:
            client = GcsClient(address=address)
            known = client.internal_kv_get(
                DASHBOARD_ADDRESS.encode(), KV_NAMESPACE_DASHBOARD, timeout=timeout_s
            )
        except RayError:  # it is just ending
            continue
        if known:
            found.append(f"http://{known.decode()}")
    return tuple(dict.fromkeys(found))
