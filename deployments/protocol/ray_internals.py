"""The only module of the endpoint that uses private names of Ray."""

from ray.serve.context import _get_global_client


def http_host() -> str:
    """Return the address at which Serve's HTTP proxies listen."""
    client = _get_global_client()
    assert client is not None  # without a client it raises
    host: str = client.http_config.host
    return host
