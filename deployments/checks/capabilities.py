"""Capabilities of models that are stated under a name that no request ever needs."""

from collections.abc import Iterator

from deployments.checks.application import ServedApplication
from deployments.checks.findings import Mistake, as_list, as_mapping, did_you_mean, dotted
from scope.model_catalogue import CAPABILITIES


def capability_mistakes(app: ServedApplication) -> Iterator[Mistake]:
    """Yield the names in ``user_config.models`` that can never match."""
    models = as_mapping(app.block("Router").get("user_config")).get("models")
    for place, model in enumerate(as_list(models)):
        for key in ("capabilities", "lacks"):
            for position, name in enumerate(as_list(as_mapping(model).get(key))):
                if isinstance(name, str) and name not in CAPABILITIES:
                    path = app.field("Router", "user_config", "models", place, key, position)
                    where = dotted(app.config, path).rpartition("[")[0]
                    message = f"{where} names {name!r}, which no request needs: it never matches"
                    yield Mistake(path, message, did_you_mean(name, CAPABILITIES), "warning")
