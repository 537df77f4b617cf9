"""Build a bank from questions and outcomes."""

from pipelines.bank.files import InputKind, check_new, load_bank_for_pool, save_bank_now
from pipelines.bank.findings import with_findings

__all__ = [
    "InputKind",
    "check_new",
    "load_bank_for_pool",
    "save_bank_now",
    "with_findings",
]
