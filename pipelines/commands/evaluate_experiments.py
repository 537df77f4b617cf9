"""``scope eval --learning-curve`` and ``--escalate``: run and shown."""

from dataclasses import dataclass
from typing import Any

from pipelines.terminal import Stages
from scope.bank import Bank
from scope.config import AnchorConfig
from scope.escalation import NO_AGREEMENT, EscalationResult, escalation_table, measure_escalation
from scope.evaluation import EvaluationSet, Table
from scope.predictions import Predictions
from scope.report import PARTS, LearningCurve, learning_curve


@dataclass(frozen=True, slots=True)
class Experiments:
    """What was asked for beyond the comparison of routers; None otherwise."""

    curve: LearningCurve | None
    escalation: EscalationResult | None

    @classmethod
    def run(
        cls,
        bank: Bank,
        test_set: EvaluationSet,
        predictions: Predictions,
        *,
        curve: bool,
        escalate: bool,
        config: AnchorConfig | None,
        seed: int,
        stages: Stages,
    ) -> "Experiments":
        """Run those that are asked for, each a stage of the command."""
        fitted, escalation = None, None
        if curve:
            stages.begin("fitting parts", len(PARTS))
            fitted = learning_curve(
                bank, test_set, predictions, config=config, seed=seed, advance=stages.advance
            )
        if escalate:
            stages.begin("escalating")
            escalation = measure_escalation(bank, test_set, predictions, seed)
        return cls(fitted, escalation)

    def to_json(self) -> dict[str, Any]:
        """Return both by name; null where not asked for."""
        return {
            "learning_curve": self.curve.to_json() if self.curve else None,
            "escalation": self.escalation.to_json() if self.escalation else None,
        }

    def tables(self) -> list[Table]:
        """Return a table of each."""
        shown = [self.curve.to_table()] if self.curve else []
        return shown + ([escalation_table(self.escalation)] if self.escalation else [])

    def note(self) -> str:
        """Return what the experiments leave out; empty if nothing."""
        return NO_AGREEMENT if self.escalation else ""
