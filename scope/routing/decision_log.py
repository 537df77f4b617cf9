"""What the endpoint decided, read from its log so that it can be decided anew."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

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
    """The requests of a log for which a policy chose among candidates.

    Attributes
    ----------
    logged : LoggedDecisions
        What was asked for and chosen; a question id is a decision id.
    predictions : Predictions
        Of every model that was a candidate, in the order of their first appearance; NaN where
        it was none, so that it is never chosen.
    offers : EligibleModels
        Which were candidates.
    banks : tuple of str
        Versions of the banks that foretold.
    bill_usd : float
        What these requests really cost, as far as it is known; NaN where it is of none.
    n_billed : int
        Requests whose real cost is known.
    n_left_out : int
        Requests without such a choice: the client named the model, or nothing was foretold.
    n_truncated : int
        Files that a kill ended in the middle of a line.
    """

    logged: LoggedDecisions
    predictions: Predictions
    offers: EligibleModels
    banks: tuple[str, ...]
    bill_usd: float
    n_billed: int
    n_left_out: int
    n_truncated: int

    @classmethod
    def read(cls, path: Path) -> "DecisionHistory":
        """Read a file, or all files of a folder.

        Raises
        ------
        FormatError
            If a line is no request, an id stands twice, or no request can be decided anew.
        """
        lines, rows, places = DecisionLogReader(path), list[_Row](), dict[str, str]()
        for place, request in lines:
            if request.id in places:
                raise FormatError(
                    f"{place} decides {request.id!r} again, which {places[request.id]} did; "
                    "leave out the copy"
                )
            places[request.id] = place
            if request.decided:
                rows.append(_Row.from_request(request))
        if not rows:
            raise FormatError(
                f"{path} holds no decision to make anew; in {len(places):,} requests no policy "
                "chose among candidates"
            )
        return cls._of(rows, n_left_out=len(places) - len(rows), n_truncated=lines.n_truncated)

    @classmethod
    def _of(cls, rows: "list[_Row]", *, n_left_out: int, n_truncated: int) -> "DecisionHistory":
        models = tuple(dict.fromkeys(model for row in rows for model in row.models))
        place = {model: position for position, model in enumerate(models)}
        grids_cqm = np.full((len(COLUMNS), len(rows), len(models)), np.nan)
        offered_qm = np.zeros((len(rows), len(models)), dtype=bool)
        for q, row in enumerate(rows):
            columns = [place[model] for model in row.models]
            grids_cqm[:, q, columns] = row.estimates_cm
            offered_qm[q, columns] = True
        bills = [row.cost_usd for row in rows if row.cost_usd is not None]
        return cls(
            LoggedDecisions(
                tuple(dict.fromkeys(row.target for row in rows)),
                models,
                {row.id: row.model for row in rows},
            ),
            Predictions(tuple(row.id for row in rows), models, Estimates.from_stack(grids_cqm)),
            EligibleModels(models, offered_qm),
            tuple(dict.fromkeys(row.bank for row in rows if row.bank is not None)),
            bill_usd=sum(bills) if bills else np.nan,
            n_billed=len(bills),
            n_left_out=n_left_out,
            n_truncated=n_truncated,
        )

    def predicted(self, bank: Bank) -> PredictionSet:
        """Return the predictions with a bank's prices and the population of its dial.

        Raises
        ------
        UnknownModelError
            If the bank has never measured one of the models.
        """
        pool = bank.select_models(self.predictions.models)
        return PredictionSet(self.predictions, pool.models, pool.reference, None)

    def to_json(self) -> dict[str, Any]:
        """Return bill and gaps as JSON values; unknown is null."""
        return {
            "bill_usd": finite_or_none(self.bill_usd),
            "n_billed": self.n_billed,
            "n_left_out": self.n_left_out,
            "n_truncated": self.n_truncated,
        }


class _Row(NamedTuple):
    """What is kept of one request: arrays, since a log may hold many."""

    id: str
    model: str | None
    target: Objective
    bank: str | None
    cost_usd: float | None
    models: tuple[str, ...]
    estimates_cm: FloatArray

    @classmethod
    def from_request(cls, request: LoggedRequest) -> "_Row":
        candidates = request.candidates or ()
        numbers = [[getattr(one, name) for one in candidates] for name in COLUMNS]
        return cls(
            request.id,
            request.model,
            request.target(),
            request.bank,
            request.real_cost_usd,
            tuple(one.model for one in candidates),
            np.array(numbers, dtype=np.float64),
        )
