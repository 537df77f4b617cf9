"""Build a bank from questions and outcomes."""

from pipelines.bank.files import InputKind, check_new, load_bank_for_pool, save_bank_now
from pipelines.bank.named_encoder import DEFAULT_ENCODER, NamedEncoder
from pipelines.bank.second_encoder import with_findings_of_both

__all__ = [
    "DEFAULT_ENCODER",
    "InputKind",
    "NamedEncoder",
    "check_new",
    "load_bank_for_pool",
    "save_bank_now",
    "with_findings_of_both",
]
