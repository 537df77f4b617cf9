"""What ``scope replay`` decides anew: a routing file with its predictions, or a decision log."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.console import err
from scope import EMBEDDED_BANK
from scope.bank_store import load_bank
from scope.decision_log import DecisionHistory
from scope.errors import ConfigError, join_names
from scope.logged import LoggedDecisions
from scope.predicted_set import PredictionSet
from scope.predictions_store import load_predictions
from scope.router import Objective, route
from scope.routing import RoutingResult


@dataclass(frozen=True, slots=True)
class ReplayInput:
    """Decisions, what they were made from, and how to make them anew."""

    logged: LoggedDecisions
    predicted: PredictionSet
    decide: Callable[[PredictionSet, Objective], RoutingResult]
    log: DecisionHistory | None = None

    @classmethod
    def from_flags(
        cls,
        routing: Path | None,
        predictions: Path | None,
        decisions: Path | None,
        bank: Path | None,
    ) -> "ReplayInput":
        """Read whichever of the two kinds the flags name."""
        _check_flags(routing, predictions, decisions, bank)
        if decisions is None:
            assert routing is not None  # checked
            assert predictions is not None
            return cls(LoggedDecisions.load(routing), load_predictions(predictions), route)
        log = DecisionHistory.read(decisions)
        read = load_bank(bank or EMBEDDED_BANK)
        if strangers := [version[:12] for version in log.banks if version != read.version]:
            err.print(
                f"note: decided with bank {join_names(strangers)}; prices and the dial are now those "
                f"of bank {read.version[:12]}",
                markup=False,
            )
        return cls(log.logged, log.predicted(read), log.offers.route, log)


def _check_flags(
    routing: Path | None, predictions: Path | None, decisions: Path | None, bank: Path | None
) -> None:
    """Refuse anything but the flags of one kind of log."""
    offline = {"--routing": routing, "--predictions": predictions}
    missing = [flag for flag, path in offline.items() if path is None]
    if decisions is not None and len(missing) < len(offline):
        raise ConfigError(f"--decisions excludes {' and '.join(offline)}; replay one of the two")
    if decisions is None and missing:
        raise ConfigError(
            f"{' and '.join(missing)} missing; replay needs --routing with --predictions, or "
            "the --decisions of an endpoint"
        )
    if decisions is None and bank is not None:
        raise ConfigError("--bank goes with --decisions; --predictions know theirs")


def warn_other_prices(predicted: PredictionSet) -> None:
    """Say so if logged costs are not at the prices of `predicted`, which its dial goes by."""
    logged_qm = predicted.predictions.estimates.cost_usd_qm
    here_qm = predicted.with_prices(predicted.models).predictions.estimates.cost_usd_qm
    other_m = (np.abs(logged_qm - here_qm) > 1e-6 * here_qm).any(axis=0)
    if other_m.any():
        models = join_names(np.array(predicted.model_ids)[other_m].tolist())
        err.print(
            f"note: the costs of {models} were logged at other prices than the bank's, which "
            "the dial goes by; --prices gives it those of the endpoint",
            markup=False,
        )
