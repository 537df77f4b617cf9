"""Talk to a cluster over HTTP: Ray's dashboard, the metrics of its nodes, and the endpoint."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from scope.errors import ClusterError, ConfigError, one_line
from scope.text_files import read_text

TIMEOUT_S = 10.0
SERVE_PATH = "/api/serve/applications/"
TARGETS_PATH = "/api/prometheus/sd"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def cluster_token(environ: Mapping[str, str] = os.environ, home: Path | None = None) -> str | None:
    """Return the token of a Ray cluster, from where Ray's own commands read it; None without one.

    Raises
    ------
    ConfigError
        If ``RAY_AUTH_TOKEN_PATH`` names a file that cannot be read.
    """
    if environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return None
    if token := environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    named = environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else (home or Path.home()) / ".ray" / "auth_token"
    try:
        return read_text(path).strip() or None
    except OSError as error:
        if named:
            raise ConfigError(f"RAY_AUTH_TOKEN_PATH {path}: {error.strerror}") from error
        return None


class ClusterClient:
    """A client of Ray's dashboard, and of the metrics of the nodes that it names.

    Parameters
    ----------
    address : str
        As ``http://127.0.0.1:8265``.
    token : str, optional
        Of a cluster with ``RAY_AUTH_MODE=token``; sent to the dashboard only.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        if not address.startswith(("http://", "https://")):
            raise ConfigError(
                f"--address is {address!r}; expected that of Ray's dashboard, "
                "as http://127.0.0.1:8265"
            )
        self.address = address.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._dashboard = httpx.Client(
            base_url=self.address, headers=headers, timeout=TIMEOUT_S, trust_env=False
        )
        self._nodes = httpx.Client(timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> "ClusterClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._dashboard.close()
        self._nodes.close()

    def serve_details(self) -> dict[str, Any]:
        """Return what Serve says about its applications, deployments and replicas.

        Raises
        ------
        ClusterError
            If the dashboard does not answer, or refuses the token.
        """
        details: dict[str, Any] = self._dashboard_call("GET", SERVE_PATH).json()
        return details

    def deploy(self, config: Mapping[str, Any]) -> None:
        """Deploy a whole Serve configuration; an application that it does not have is deleted.

        Raises
        ------
        ClusterError
            As `serve_details`, or if Serve refuses the configuration.
        """
        self._dashboard_call("PUT", SERVE_PATH, json=dict(config))

    def metrics_targets(self) -> tuple[str, ...]:
        """Return ``host:port`` of every place of the cluster that exports metrics."""
        groups = self._dashboard_call("GET", TARGETS_PATH).json()
        return tuple(target for group in groups for target in group.get("targets", ()))

    def metrics(self, target: str) -> str:
        """Return the metrics of one target, in Prometheus' text format.

        Raises
        ------
        ClusterError
            If it does not answer.
        """
        try:
            response = self._nodes.get(f"http://{target}/metrics")
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise ClusterError(
                f"no metrics of {target}: {one_line(error) or type(error).__name__}"
            ) from error
        return response.text

    def _dashboard_call(
        self, method: str, path: str, json: dict[str, Any] | None = None
    ) -> httpx.Response:
        try:
            response = self._dashboard.request(method, path, json=json)
        except httpx.HTTPError as error:
            raise ClusterError(
                f"Ray's dashboard at {self.address} does not answer "
                f"({one_line(error) or type(error).__name__}); name another by --address"
            ) from error
        if response.status_code in (401, 403):
            raise ClusterError(
                f"Ray's dashboard at {self.address} refuses the token ({response.status_code}); "
                "set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to that of the cluster"
            )
        if response.status_code >= 400:
            raise ClusterError(
                f"Ray's dashboard at {self.address} answered {method} {path} with "
                f"{response.status_code}: {' '.join(response.text.split())[:500]}"
            )
        return response


class EndpointClient:
    """A client of the OpenAI-compatible endpoint.

    Parameters
    ----------
    url : str
    key : str, optional
        API key of a client, sent as a bearer token.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"--endpoint is {url!r}; expected a URL, as http://127.0.0.1:8000")
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=TIMEOUT_S, trust_env=False
        )

    def __enter__(self) -> "EndpointClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ready(self) -> dict[str, str]:
        """Return what ``/ready`` says, whether ready or not.

        Raises
        ------
        ClusterError
            If it does not answer.
        """
        response = self._get("/ready")
        try:
            state: dict[str, str] = response.json()
            state["status"]
        except (ValueError, KeyError, TypeError):  # an error of Serve's proxy, or another server
            raise ClusterError(
                f"{self.url}/ready answered {response.status_code}, not a state"
            ) from None
        return state

    def models(self) -> tuple[str, ...]:
        """Return the names of ``/v1/models``: `auto` and the pool.

        Raises
        ------
        ClusterError
            If it does not answer, or not without another key.
        """
        response = self._get("/v1/models")
        if response.status_code != 200:
            hint = "; name its variable by --key-variable" if response.status_code == 401 else ""
            raise ClusterError(f"{self.url}/v1/models answered {response.status_code}{hint}")
        return tuple(model["id"] for model in response.json()["data"])

    def _get(self, path: str) -> httpx.Response:
        try:
            return self._http.get(path)
        except httpx.HTTPError as error:
            raise ClusterError(
                f"{self.url} does not answer ({one_line(error) or type(error).__name__}); "
                "name the endpoint by --endpoint"
            ) from error


def endpoint_url(details: Mapping[str, Any], dashboard: str) -> str | None:
    """Return the endpoint's address as seen from here; None where only its own machine sees it.

    Parameters
    ----------
    details : mapping
        What Serve says.
    dashboard : str
        Its address: an endpoint that listens at all addresses is reached at the same machine.
    """
    options = details.get("http_options") or {}
    host, port = options.get("host"), options.get("port")
    if not host or not port:
        return None
    machine = httpx.URL(dashboard).host
    scheme = "https" if options.get("ssl_certfile") else "http"
    if host in LOOPBACK and machine not in LOOPBACK:
        return None
    shown = machine if host in ("0.0.0.0", "::") else host
    return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{port}"
