"""An experiment: ask one model, see how long its reply is, then perhaps ask a second one."""

from scope.escalation.experiment import (
    NO_AGREEMENT,
    EscalationResult,
    escalation_table,
    measure_escalation,
)

__all__ = ["NO_AGREEMENT", "EscalationResult", "escalation_table", "measure_escalation"]
