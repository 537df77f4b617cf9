"""The prompts of one HTTP request, and what their decisions must respect."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

from deployments.protocol import NoEligibleModelError
from deployments.requests import RoutingRequest, eligible_models
from deployments.settings import PREHOC, RouterSettings
from scope.errors import join_names
from scope.model_catalogue import ModelLimits
from scope.pool import ModelSpec
from scope.routing import Objective


class Constraints(NamedTuple):
    """What a decision must respect; prompts that share both are decided together."""

    models: tuple[ModelSpec, ...]
    """The eligible models at current prices."""
    objective: Objective


class TimeLimits(TypedDict):
    """Keyword arguments of `PredictionClient.predict`."""

    timeout_s: float
    slow_call_s: float


@dataclass(frozen=True, slots=True)
class RequestGroup:
    """The prompts of one HTTP request; they share their options and one session.

    Attributes
    ----------
    requests : sequence of RoutingRequest
    models : mapping of str to ModelSpec
        The arms that can answer, at current prices.
    settings : RouterSettings
    limits : callable
        What is believed of an arm that its settings do not say.
    decide_by : float
        Monotonic time by which a list is decided; a single prompt has less.
    """

    requests: Sequence[RoutingRequest]
    models: Mapping[str, ModelSpec]
    settings: RouterSettings
    limits: Callable[[str], ModelLimits]
    decide_by: float

    @property
    def texts(self) -> list[str]:
        """The texts to predict for."""
        return [request.text for request in self.requests]

    @property
    def metadata(self) -> Mapping[str, str]:
        """What is known of the prompts, by name."""
        return self.requests[0].options.metadata

    @property
    def has_user_text(self) -> bool:
        """Whether the texts are those of users; a chat without one is alone in its request."""
        return all(request.has_user_text for request in self.requests)

    def time_limits(self) -> TimeLimits:
        """Return how long a prediction may take: a list of prompts has until `decide_by`."""
        prompt_s, left_s = self.settings.limits.decision_ms / 1e3, self.decide_by - time.monotonic()
        timeout_s = left_s if len(self.requests) > 1 else min(prompt_s, left_s)
        return {"timeout_s": timeout_s, "slow_call_s": prompt_s / 2}

    def constraints(
        self, predicted: Collection[str], strategy: str, default: Mapping[str, Any]
    ) -> list[Constraints]:
        """Return the constraints of each request; an error in a list names the prompt.

        Parameters
        ----------
        predicted : collection of str
            The arms that the strategy predicts.
        strategy : str
        default : mapping of str to float
            The objective of requests that name none.

        Raises
        ------
        RequestError
            If the options of a request are wrong, or leave no arm.
        """
        if self.models.keys().isdisjoint(predicted):
            raise NoEligibleModelError(
                f"no arm of the pool is predicted by the strategy {strategy}, which predicts "
                f"{join_names(predicted)}; the pool has {join_names(self.models)}",
                "scope.strategy",
                "no_model_left",
            )
        constraints = []
        for index, request in enumerate(self.requests):
            try:
                eligible = eligible_models(
                    tuple(self.models.values()),
                    request.needs,
                    request.options,
                    predicted,
                    self.limits,
                )
            except NoEligibleModelError as error:
                if len(self.requests) == 1:
                    raise
                prompt = f"prompts[{index}]"
                raise NoEligibleModelError(f"{prompt}: {error}", prompt, error.code) from None
            given = request.options.objective_settings or default
            models = tuple(self.models[model] for model in eligible)
            auto = self.settings.policy.auto and strategy == PREHOC
            constraints.append(Constraints(models, Objective(**given, auto=auto)))
        return constraints
