import inspect
import pickle

import pytest

from scope import errors
from scope.errors import (
    BankIntegrityError,
    EmbedderMismatchError,
    OutputWriteError,
    ScopeError,
    UnknownModelError,
    UnknownPriceError,
    join_names,
)

ARGUMENTS = {
    BankIntegrityError: ("bank/outcomes.parquet", "a" * 64, "b" * 64),
    EmbedderMismatchError: ("minilm", "qwen"),
    OutputWriteError: (28, "No space left on device", "out/a.json"),
    UnknownModelError: ("gpt-9", ("small", "large")),
    UnknownPriceError: ("gpt-9", "prices.json"),
}
CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if cls.__module__ == errors.__name__ and not issubclass(cls, Warning)
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_errors_survive_pickling(cls):
    """
    Ray pickles exceptions between processes; the text must be preserved.
    """
    error = cls(*ARGUMENTS.get(cls, ("what went wrong",)))

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is cls
    assert str(copy) == str(error)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_is_a_scope_error(cls):
    """
    ``except ScopeError`` catches every error of this project.
    """
    assert issubclass(cls, ScopeError)
    assert cls.__name__ in errors.__doc__


def test_a_long_list_of_names_is_truncated_and_counted():
    """
    Thirteen names would hide the rest of the message.
    """
    assert join_names("abcdefghijklm") == "a, b, c, d, e, f, g, h and 5 more"
