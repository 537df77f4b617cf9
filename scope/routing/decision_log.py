"""Decisions of the endpoint, read from its log for a replay."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scope.arms import ArmColumns
from scope.arrays import FloatArray
from scope.bank import Bank
from scope.errors import FormatError
from scope.predictions import COLUMNS, Estimates, Predictions
from scope.routing.log_records import DecisionLogReader, LoggedRequest
from scope.routing.logged import EligibleModels, LoggedDecisions
from scope.routing.metrics import finite_or_none
from scope.routing.prediction_set import PredictionSet
from scope.routing.route import Objective


@dataclass(frozen=True, slots=True)
class DecisionHistory:
    """The requests of a decision log for which a policy chose among candidates.

    Attributes
    ----------
    logged : LoggedDecisions
        Objectives and chosen models; a question id is a decision id.
    predictions : Predictions
        Of every model that was a candidate, in the order of first appearance; NaN for requests
        in which it was not, so that it is not chosen.
    eligible : EligibleModels
        The candidates of each request.
    banks : tuple of str
        Versions of the banks of the predictions.
    real_cost_usd : float
        Sum of the known real costs; NaN if none is known.
    n_with_cost : int
        Requests with a known real cost.
    n_skipped : int
        Requests without such a choice: the client named the model, or there was no prediction.
    n_truncated : int
        Files that end in a truncated line.
    """

    logged: LoggedDecisions
    predictions: Predictions
    eligible: EligibleModels
    banks: tuple[str, ...]
    real_cost_usd: float
    n_with_cost: int
    n_skipped: int
    n_truncated: int

    @classmethod
    def read(cls, path: Path) -> "DecisionHistory":
        """Read a file, or all files of a folder.

        Raises
        ------
        FormatError
            If a line is not a request, an id occurs twice, or no request can be replayed.
        """
        reader, rows, line_of = DecisionLogReader(path), list[_Row](), dict[str, str]()
        for line, request in reader:
            if request.id in line_of:
                raise FormatError(
                    f"{line} repeats the id {request.id!r} of {line_of[request.id]}; "
                    "remove the copy"
                )
            line_of[request.id] = line
            if request.decided:
                rows.append(_Row.from_request(request))
        if not rows:
            raise FormatError(
                f"{path} holds no decision to replay; in {len(line_of):,} requests no policy "
                "chose among candidates"
            )
        return cls._from_rows(rows, len(line_of) - len(rows), reader.n_truncated)

    @classmethod
    def _from_rows(cls, rows: "list[_Row]", n_skipped: int, n_truncated: int) -> "DecisionHistory":
        models = tuple(dict.fromkeys(model for row in rows for model in row.models))
        column_of = {model: column for column, model in enumerate(models)}
        value_eqm = np.full((len(COLUMNS), len(rows), len(models)), np.nan)
        eligible_qm = np.zeros((len(rows), len(models)), dtype=bool)
        for q, row in enumerate(rows):
            columns = [column_of[model] for model in row.models]
            value_eqm[:, q, columns] = row.value_em
            eligible_qm[q, columns] = True
        costs = [row.cost_usd for row in rows if row.cost_usd is not None]
        return cls(
            LoggedDecisions(
                tuple(dict.fromkeys(row.objective for row in rows)),
                models,
                {row.id: row.model for row in rows},
            ),
            Predictions(tuple(row.id for row in rows), models, Estimates.from_stack(value_eqm)),
            EligibleModels(models, eligible_qm),
            tuple(dict.fromkeys(row.bank for row in rows if row.bank is not None)),
            real_cost_usd=sum(costs) if costs else np.nan,
            n_with_cost=len(costs),
            n_skipped=n_skipped,
            n_truncated=n_truncated,
        )

    def predicted(self, bank: Bank) -> PredictionSet:
        """Return the predictions with a bank's prices and reference population.

        Raises
        ------
        UnknownModelError
            If the bank has no outcomes of one of the models.
        ConfigError
            If one is several samples of a model, and the bank was not fitted to samples.
        """
        arms = ArmColumns.resolve(self.predictions.models, bank.models, "the bank")
        # The bills were compared where every model was eligible.
        reference = bank.reference and bank.reference.select_arms(arms).without_bill_ratio()
        return PredictionSet(self.predictions, arms.models, reference, None, bank.routing_gain)

    def to_json(self) -> dict[str, Any]:
        """Return real cost and counts as JSON values; unknown is null."""
        return {
            "real_cost_usd": finite_or_none(self.real_cost_usd),
            "n_with_cost": self.n_with_cost,
            "n_skipped": self.n_skipped,
            "n_truncated": self.n_truncated,
        }


class _Row(NamedTuple):
    """The data kept of one request, as arrays: a log may hold many."""

    id: str
    model: str | None
    objective: Objective
    bank: str | None
    cost_usd: float | None
    models: tuple[str, ...]
    value_em: FloatArray

    @classmethod
    def from_request(cls, request: LoggedRequest) -> "_Row":
        candidates = request.candidates or ()
        numbers = [[getattr(candidate, name) for candidate in candidates] for name in COLUMNS]
        return cls(
            request.id,
            request.model,
            request.objective(),
            request.bank,
            request.real_cost_usd,
            tuple(candidate.model for candidate in candidates),
            np.array(numbers, dtype=np.float64),
        )
