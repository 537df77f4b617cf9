"""The application as Serve sees it: states, replicas, and the configuration that is deployed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.checks import IMPORT_PATH
from scope import EMBEDDED_BANK
from scope.errors import ClusterError

ROUTER = "Router"
FAILED_STATES = frozenset({"DEPLOY_FAILED", "UNHEALTHY", "DELETING", "NOT_STARTED"})
"""States of an application that does not answer as it should; `DEPLOYING` is none of them."""


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """One deployment.

    Attributes
    ----------
    name, state, message : str
    wanted : int or None
        Replicas that Serve aims at.
    replicas : mapping
        Number of replicas by state, such as ``RUNNING`` or ``STARTING``.
    ids : frozenset of str
        Of the replicas that are not stopping.
    n_recently_dead : int
        Replicas that ended in error and that Serve still remembers.
    """

    name: str
    state: str
    message: str
    wanted: int | None
    replicas: Mapping[str, int]
    ids: frozenset[str]
    n_recently_dead: int

    @classmethod
    def from_details(cls, name: str, details: Mapping[str, Any]) -> "DeploymentState":
        """Read it from Serve's details."""
        replicas = details.get("replicas") or []
        return cls(
            name,
            details.get("status") or "UNKNOWN",
            " ".join((details.get("message") or "").split()),
            details.get("target_num_replicas"),
            dict(Counter(replica["state"] for replica in replicas)),
            frozenset(r["replica_id"] for r in replicas if r["state"] != "STOPPING"),
            len(details.get("recent_dead_replicas") or ()),
        )

    @property
    def running(self) -> int:
        """Replicas that answer."""
        return self.replicas.get("RUNNING", 0)


@dataclass(frozen=True, slots=True)
class ServiceState:
    """The application of ours on a Serve.

    Attributes
    ----------
    name, state, message : str
    deployed_at_s : float or None
        Unix time of the latest deployment.
    deployments : tuple of DeploymentState
        The Router first.
    config : mapping
        The application's block of the configuration, as it was deployed.
    details : mapping
        All that Serve says.
    """

    name: str
    state: str
    message: str
    deployed_at_s: float | None
    deployments: tuple[DeploymentState, ...]
    config: Mapping[str, Any]
    details: Mapping[str, Any]

    @classmethod
    def from_details(cls, details: Mapping[str, Any], where: str) -> "ServiceState":
        """Find the application of ours.

        Raises
        ------
        ClusterError
            If Serve does not run there, or runs no application of ours.
        """
        applications = details.get("applications") or {}
        for name, application in applications.items():
            config = application.get("deployed_app_config") or {}
            if config.get("import_path") == IMPORT_PATH:
                return cls._read(name, application, config, details)
        found = ", ".join(applications) or "no application"
        raise ClusterError(f"Serve at {where} runs {found}, none with import_path {IMPORT_PATH}")

    @classmethod
    def _read(
        cls,
        name: str,
        application: Mapping[str, Any],
        config: Mapping[str, Any],
        details: Mapping[str, Any],
    ) -> "ServiceState":
        states = [
            DeploymentState.from_details(deployment, block)
            for deployment, block in (application.get("deployments") or {}).items()
        ]
        return cls(
            name,
            application.get("status") or "UNKNOWN",
            " ".join((application.get("message") or "").split()),
            application.get("last_deployed_time_s"),
            tuple(sorted(states, key=lambda state: (state.name != ROUTER, state.name))),
            config,
            details,
        )

    @property
    def is_failed(self) -> bool:
        """Whether the application does not answer as it should."""
        return self.state in FAILED_STATES

    @property
    def replica_ids(self) -> frozenset[str]:
        """Of all replicas that are not stopping."""
        return frozenset().union(*(deployment.ids for deployment in self.deployments))

    @property
    def args(self) -> dict[str, Any]:
        """Arguments of the application."""
        return dict(self.config.get("args") or {})

    @property
    def bank(self) -> str:
        """Folder of the bank that is deployed, as the nodes see it."""
        return str(self.args.get("bank") or EMBEDDED_BANK)

    @property
    def user_config(self) -> dict[str, Any]:
        """Settings of the Router."""
        return dict(self._router_block.get("user_config") or {})

    @property
    def _router_block(self) -> Mapping[str, Any]:
        blocks = self.config.get("deployments") or []
        return next((block for block in blocks if block.get("name") == ROUTER), {})

    def serve_config(self) -> dict[str, Any]:
        """Return the whole configuration that is deployed, to be deployed again.

        Raises
        ------
        ClusterError
            If another application was started by ``serve run module:app``: deploying a
            configuration would delete it.
        """
        blocks = []
        for name, application in self.details["applications"].items():
            if not application.get("deployed_app_config"):
                raise ClusterError(
                    f"application {name!r} was not deployed from a configuration, so that "
                    "deploying one would delete it; deploy all from one file first"
                )
            blocks.append(application["deployed_app_config"])
        keys = ("proxy_location", "http_options", "grpc_options", "target_capacity")
        kept = {key: self.details[key] for key in keys if self.details.get(key) is not None}
        return {**kept, "applications": blocks}

    def with_bank(self, bank: str) -> dict[str, Any]:
        """Return the whole configuration with another bank."""
        config = self.serve_config()
        config["applications"] = [
            {**block, "args": {**(block.get("args") or {}), "bank": bank}}
            if block["name"] == self.config["name"]
            else block
            for block in config["applications"]
        ]
        return config
