"""The settings in force, and what a change of them reaches."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from deployments.gateway.request_log import RequestLog
from deployments.protocol import NotConfiguredError, predicted_arms
from deployments.routing import PredictionCache
from deployments.routing.learned_strategy import LearnedStrategy
from deployments.routing.readiness import Readiness
from deployments.routing.reasoning_client import ReasoningClient
from deployments.routing.sessions import SessionStore
from deployments.settings import ActiveSettings, RouterSettings, check_bind
from deployments.telemetry.metrics import Metrics
from deployments.tracing import Tracing
from deployments.upstream import FallbackExecutor, UpstreamClient, UpstreamRegistry
from scope.bank import Bank
from scope.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ConfigurableParts:
    """The parts of a Router that settings reach."""

    cache: PredictionCache
    client: UpstreamClient
    executor: FallbackExecutor
    learned: Mapping[str, LearnedStrategy]
    metrics: Metrics
    readiness: Readiness
    reasoning: ReasoningClient
    request_log: RequestLog
    sessions: SessionStore
    tracing: Tracing
    upstreams: UpstreamRegistry


class LiveSettings:
    """Puts settings in force while requests run.

    Parameters
    ----------
    bank : Bank
    host : str
        Address that HTTP is bound to.
    parts : ConfigurableParts
    """

    def __init__(self, bank: Bank, host: str, parts: ConfigurableParts) -> None:
        self._bank, self._host, self._parts = bank, host, parts
        self._resources = AsyncExitStack()
        self._current: ActiveSettings | None = None

    @property
    def current(self) -> ActiveSettings:
        """The settings in force.

        Raises
        ------
        NotConfiguredError
            Before the first settings are in force.
        """
        if self._current is None:
            raise NotConfiguredError(
                "the Router has no settings; give it a user_config with access: in its config file"
            )
        return self._current

    def allowed_origins(self) -> tuple[str, ...]:
        """Return the origins of web pages whose scripts may call."""
        return () if self._current is None else self._current.settings.access.origins

    async def replace(self, user_config: Mapping[str, Any]) -> None:
        """Put settings in force, all or none; requests in flight keep the settings they began with.

        Raises
        ------
        ConfigError
            If the settings are wrong; the current ones stay in force.
        """
        parts = self._parts
        learned = tuple(model for strategy in parts.learned.values() for model in strategy.models)
        new = ActiveSettings.from_user_config(user_config, self._bank.models, learned)
        settings = new.settings
        check_bind(self._host, settings.access)
        if settings.policy.alpha is not None and self._bank.reference is None:
            raise ConfigError(
                "policy: alpha needs a fitted bank (`scope bank fit`); "
                "give min_quality or max_cost_usd"
            )
        arms = {name: strategy.arms for name, strategy in parts.learned.items()}
        settings.check_strategy(arms, predicted_arms(self._bank, settings.pool or ()))
        settings.reasoning.check(engine=parts.reasoning.available)
        files = parts.request_log.make_files(settings.decisions)
        with parts.tracing.replaced(settings.tracing):
            parts.upstreams.configure(settings.upstreams, {model.id: model for model in new.models})
        if self._current is None:
            await self._resources.enter_async_context(parts.client)
        parts.executor.retries = settings.retries
        parts.executor.best_of_n.settings = settings.sampling
        parts.request_log.replace_files(files)
        for cache in (parts.cache, *(strategy.cache for strategy in parts.learned.values())):
            cache.resize(settings.max_cached_predictions)
        parts.sessions.local = parts.sessions.local.with_settings(settings.sessions)
        self._current = new
        self._report(settings)
        parts.readiness.settings = "ok"

    def _report(self, settings: RouterSettings) -> None:
        """Export which settings are in force."""
        metrics = self._parts.metrics
        ((field, value),) = settings.policy.objective_settings.items()
        metrics.set_versions(
            bank=self._bank.version, policy=f"{field} {value:g}", settings=settings.digest
        )
        metrics.set_budget(settings.spend.budget_usd_per_day)
        metrics.set_settings_rejected(rejected=False)
        self.refresh_metrics()

    def refresh_metrics(self) -> None:
        """Export the gauges of the replica again."""
        self._parts.metrics.refresh(self._parts.upstreams)

    def mark_rejected(self) -> None:
        """Record that the latest settings were rejected, until others are in force."""
        self._parts.metrics.set_settings_rejected(rejected=True)
        self._parts.readiness.settings = "rejected"

    async def close(self) -> None:
        """Close connections and files, and send the last spans."""
        self._parts.request_log.close()
        await self._parts.tracing.close()
        await self._resources.aclose()
