import sys

import pytest

from pipelines.traffic.redaction import Redactor
from scope.errors import ConfigError

PERSONAL = {
    "EMAIL_ADDRESS": ["ann.lee@example.com", "a+b@mail.example.co.uk", "büro@example.org"],
    "PHONE_NUMBER": ["+49 170 1234567", "(212) 555-0134", "+44 20 7946 0958", "0170 1234567"],
    "CREDIT_CARD": ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"],
    "IBAN_CODE": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432"],
    "IP_ADDRESS": ["192.168.10.4", "2001:db8::ff00:42:8329"],
    "MAC_ADDRESS": ["00:1A:2B:3C:4D:5E"],
    "US_SSN": ["219-09-9999"],
    "SECRET": [
        "sk-abcdefghijklmnopqrstuvwxyz123456",
        "sk-proj-Ab3_dEfGhIjKlMnOpQrStUvWx",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "hf_abcdefghijklmnopqrstuvwxyz",
        "AIza" + 35 * "x",
        "xoxb-1234567890-abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF_123",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----",
    ],
}
"""Made-up data by the mark that replaces it."""

HARMLESS = (
    "Is 91 a prime number?",
    "def f(x):\n    return [x[0], 3.14159, 2**64 - 1]",
    "Version 1.2.3 of 2026-11-28 at 12:30 costs $1,234.56.",
    "Which gas do plants take in? A) oxygen B) carbon dioxide",
)


@pytest.fixture(scope="module")
def redactor():
    """A redactor, where Presidio is installed."""
    pytest.importorskip("presidio_analyzer")
    return Redactor()


@pytest.mark.parametrize(
    ("mark", "text"), [(mark, text) for mark, texts in PERSONAL.items() for text in texts]
)
def test_personal_data_becomes_a_mark(redactor, mark, text):
    """
    Alone between words, and beside other data.
    """
    [redacted, twice], n_found = redactor.redact([f"It is {text} here.", f"a {text}\n{text} b"])

    assert redacted == f"It is <{mark}> here."
    assert text not in twice
    assert n_found == 3


def test_a_password_is_replaced_where_it_is_named(redactor):
    """
    Only what follows the word.
    """
    [got], _ = redactor.redact(["Log in with password=hunter2! and Bearer abcdefgh12345678ij"])

    assert got == "Log in with password=<SECRET> and Bearer <SECRET>"


def test_other_texts_stay_as_they_are(redactor):
    """
    A question must still be the question.
    """
    assert redactor.redact(HARMLESS) == (list(HARMLESS), 0)


def test_without_presidio_the_extra_is_named(monkeypatch):
    """
    It is optional.
    """
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)

    with pytest.raises(ConfigError, match=r"pip install 'scope-router\[redact\]'"):
        Redactor()
