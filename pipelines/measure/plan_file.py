"""The file of a plan: the anchors to measure a new model on, its price, and where the texts are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scope import STARTER_QUESTIONS
from scope.config import parse
from scope.errors import ConfigError, FormatError
from scope.pool import ModelSpec
from scope.predictor import MeasurementPlan
from scope.storage import read_json


@dataclass(frozen=True, slots=True)
class PlanFile:
    """What ``scope bank add-model --plan`` writes and ``scope measure --plan`` reads.

    Attributes
    ----------
    spec : ModelSpec
        The new model and its prices.
    bank_version : str
        Of the bank that was planned for.
    texts : Path or None
        Question file, or bank with prompts, that has the texts of the anchors; None: the questions
        that the package ships.
    cost_usd : dict of str to float
        Expected cost of each anchor, in the order to ask them.
    """

    spec: ModelSpec
    bank_version: str
    texts: Path | None
    cost_usd: dict[str, float]

    @classmethod
    def read(cls, path: Path) -> "PlanFile":
        """Read a plan.

        Raises
        ------
        FormatError
            If the file cannot be read or is no plan.
        ConfigError
            If its price is none.
        """
        data = read_json(path)
        try:
            texts = data["texts"]
            return cls(
                parse(ModelSpec, {"id": data["model"], **data["price"]}, f"{path}: price"),
                str(data["bank_version"]),
                None if texts is None else Path(texts),
                {str(anchor["id"]): float(anchor["cost_usd"]) for anchor in data["anchors"]},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"{path} is not a plan of `scope bank add-model --plan`: "
                f"{type(error).__name__} {error}"
            ) from error

    def questions(self, path: Path) -> Path:
        """Return the file or bank with the texts; `path` is that of the plan, for the message.

        Raises
        ------
        ConfigError
            If it is not there any more.
        """
        if self.texts is not None and not self.texts.exists():
            raise ConfigError(
                f"the texts of {path} were in {self.texts}, which is not there; "
                "name a file that has them with --questions"
            )
        return self.texts or STARTER_QUESTIONS


def plan_facts(
    chosen: MeasurementPlan, spec: ModelSpec, bank_version: str, texts: Path | None
) -> dict[str, Any]:
    """Return the content of a plan file, in the order in which to ask the anchors."""
    return {
        "model": spec.id,
        "price": spec.model_dump(mode="json", exclude={"id"}, exclude_defaults=True),
        "bank_version": bank_version,
        "texts": None if texts is None else str(texts.resolve()),
        "expected_cost_usd": float(chosen.cost_usd_j.sum()),
        "anchors": [
            {"id": anchor, "cost_usd": float(cost), "half_width_after": float(width)}
            for anchor, cost, width in zip(
                chosen.ids, chosen.cost_usd_j, chosen.half_width_j, strict=True
            )
        ],
    }
