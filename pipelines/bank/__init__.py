"""Build a bank from questions and outcomes."""

from pipelines.bank.files import InputKind, check_new, load_bank_for_pool, save_bank_now
from pipelines.bank.findings import with_findings
from pipelines.bank.second_encoder import with_second_encoder

__all__ = [
    "InputKind",
    "check_new",
    "load_bank_for_pool",
    "save_bank_now",
    "with_findings",
    "with_second_encoder",
]
