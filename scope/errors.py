"""
The errors that this project raises.

* ScopeError
  - ConfigError              a configuration, pool or price file is wrong
  - QuestionError            a question file cannot be used as it is
  - BankError                a bank cannot be built, or is not a bank
    - BankIntegrityError     a file of the bank is not the one its manifest names
    - EmbedderMismatchError  two sets of embeddings come from different embedders
  - PredictionsError         a folder of predictions is missing, incomplete or in another format
  - EvaluationError          labelled questions cannot evaluate a bank
  - FormatError              a file is not in the expected format
  - UnknownModelError        a model is not among the known ones
  - UnknownPriceError        a model has no price; an unknown price is not free
  - NoEvidenceError          no allowed model has an estimate
  - OutputWriteError         a disk is full or read-only, or permission is missing
  - ClusterError             Ray, or too many of its workers, were lost
  - EngineError              no engine of the reasoner starts, or it keeps crashing

Two rules keep them picklable between Ray processes: every argument goes to
``super().__init__``, and ``__str__`` builds the text.
"""

import os
from collections.abc import Iterable

MAX_NAMES_SHOWN = 8
"""Number of names that a message lists before it counts the rest."""


def join_names(names: Iterable[str]) -> str:
    """Return the first few of `names` as text, and the number of the others."""
    known = list(names)
    shown = ", ".join(known[:MAX_NAMES_SHOWN]) or "none"
    more = len(known) - MAX_NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


class ScopeError(Exception):
    """Base class of all errors of this project."""


class ScopeWarning(UserWarning):
    """Base class of warnings that a command prints as one sentence."""


class ConfigError(ScopeError, ValueError):
    """A configuration, pool or price file is not valid."""


class QuestionError(ScopeError, ValueError):
    """A question file cannot be used as it is."""


class BankError(ScopeError, ValueError):
    """A bank cannot be built from its inputs, or a folder is not a bank."""


class BankIntegrityError(BankError):
    """A file of the bank is not the one its manifest names."""

    def __init__(self, file: str, expected_sha256: str, found_sha256: str) -> None:
        super().__init__(file, expected_sha256, found_sha256)
        self.file = file
        self.expected_sha256 = expected_sha256
        self.found_sha256 = found_sha256

    def __str__(self) -> str:
        return (
            f"{self.file} was altered: its sha256 is {self.found_sha256[:12]}…, "
            f"the manifest says {self.expected_sha256[:12]}…; rebuild the bank or fetch it again"
        )


class EmbedderMismatchError(BankError):
    """Two sets of embeddings come from different embedders."""

    def __init__(self, bank: str, other: str) -> None:
        super().__init__(bank, other)
        self.bank = bank
        self.other = other

    def __str__(self) -> str:
        return (
            f"the bank was embedded by {self.bank}, the questions by {self.other}; "
            "their similarities cannot be compared; use one embedder for both"
        )


class PredictionsError(ScopeError, ValueError):
    """A folder of predictions is missing, incomplete or in another format."""


class EvaluationError(ScopeError, ValueError):
    """Labelled questions cannot evaluate a bank, or a threshold of the evaluation is not valid."""


class FormatError(ScopeError, ValueError):
    """A file is not in the expected format."""


class UnknownModelError(ScopeError, KeyError):
    """A model is not among the known ones."""

    def __init__(self, model: str, known: tuple[str, ...], where: str = "the pool") -> None:
        super().__init__(model, known, where)
        self.model = model
        self.known = known
        self.where = where

    def __str__(self) -> str:
        return f"unknown model {self.model!r}; {self.where} has {join_names(self.known)}"


class UnknownPriceError(ScopeError, KeyError):
    """A model has no price, and an unknown price is not free."""

    def __init__(self, model: str, source: str) -> None:
        super().__init__(model, source)
        self.model = model
        self.source = source

    def __str__(self) -> str:
        return (
            f"model {self.model!r} has no price in {self.source}; "
            "add its USD per million input and output tokens"
        )


class OutputWriteError(ScopeError, OSError):
    """A disk is full or read-only, or permission is missing.

    Its arguments are those of `OSError`: number, reason, path.
    """

    def __init__(self, number: int | None, reason: str, path: str) -> None:
        super().__init__(number, reason, path)
        # Ray Data adds a note to `args`, so that `filename` is no longer the path.
        self.reason = reason
        self.path = path

    @classmethod
    def from_os_error(cls, error: OSError, path: object) -> "OutputWriteError":
        """Return `error` with the system's reason and the user's path."""
        reason = os.strerror(error.errno) if error.errno else str(error)
        return cls(error.errno, reason, str(path))

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be written: {self.reason}; "
            "run the same command again once it is writable"
        )


class ClusterError(ScopeError, RuntimeError):
    """Ray, or too many of its workers, were lost."""


class EngineError(ScopeError, RuntimeError):
    """No engine of the reasoner starts, or it keeps crashing."""


class NoEvidenceError(ScopeError, RuntimeError):
    """No allowed model has an estimate."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the name of its type if it has none."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split())
