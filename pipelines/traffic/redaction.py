"""Replace personal data in texts by marks such as ``<EMAIL_ADDRESS>``."""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from scope.errors import ConfigError

if TYPE_CHECKING:
    from presidio_analyzer import RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpEngine

NAME_MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
"""Packages of spaCy that recognise names, the best first; they are not on every registry."""

NAMES = ("PERSON", "LOCATION")
"""What only a language model recognises."""

ENTITIES = (
    "CREDIT_CARD",
    "CRYPTO",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "MAC_ADDRESS",
    "PHONE_NUMBER",
    "SECRET",
    "US_SSN",
)
"""What patterns and check digits recognise."""

PHONE_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "BR", "JP", "AU")
"""Countries whose national form of a phone number is recognised; ``+`` and a code always is."""

SECRETS = {
    "provider key": r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}",
    "Stripe": r"\b[spr]k_(?:live|test)_[A-Za-z0-9]{10,}",
    "GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})",
    "GitLab": r"\bglpat-[A-Za-z0-9_-]{16,}",
    "Slack": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "AWS": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "Google": r"\bAIza[A-Za-z0-9_-]{35}",
    "Hugging Face": r"\bhf_[A-Za-z0-9]{20,}",
    "JSON web token": r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",
    "private key": (
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    ),
    "bearer": r"(?<=[Bb]earer )[A-Za-z0-9._~+/-]{16,}=*",
    "password": (
        r"(?i:(?<=password: )|(?<=password=)|(?<=passwd=)|(?<=secret=)|(?<=api_key=))\S{4,}"
    ),
}
"""Patterns of keys by where they come from."""

MIN_SCORE = 0.35
"""Presidio's confidence from which something is replaced: numbers of phones have 0.4."""


class Redactor:
    """Replaces personal data by Presidio, without a network.

    Attributes
    ----------
    name_model : str or None
        The installed spaCy model that recognises names; None: names stay.

    Raises
    ------
    ConfigError
        If Presidio is not installed.
    """

    def __init__(self) -> None:
        try:
            from presidio_analyzer import AnalyzerEngine
            from presidio_anonymizer import AnonymizerEngine
        except ImportError as error:
            raise ConfigError(
                "--redact needs Presidio; install it with pip install 'scope-router[redact]'"
            ) from error
        self.name_model = next((name for name in NAME_MODELS if find_spec(name)), None)
        engine = _nlp_engine(self.name_model)
        registry = _registry()
        self._analyzer = AnalyzerEngine(registry, engine, supported_languages=["en"])
        self._anonymizer = AnonymizerEngine()
        self._entities = [*ENTITIES, *(NAMES if self.name_model else ())]

    def redact(self, texts: Sequence[str]) -> tuple[list[str], int]:
        """Return the texts with marks in place of what was found, and how much was found."""
        redacted, n_found = list[str](), 0
        for text in texts:
            found = self._analyzer.analyze(
                text, language="en", entities=self._entities, score_threshold=MIN_SCORE
            )
            # Its default replaces each by its kind in angle brackets, overlaps by the surest.
            result = self._anonymizer.anonymize(text, found)
            redacted.append(result.text)
            n_found += len(result.items)
        return redacted, n_found


def _registry() -> "RecognizerRegistry":
    """Return the recognisers; Presidio's own set has one that asks the network for domains."""
    from presidio_analyzer import Pattern, PatternRecognizer, RecognizerRegistry
    from presidio_analyzer import predefined_recognizers as known

    secrets = [Pattern(name, pattern, 0.9) for name, pattern in SECRETS.items()]
    email = r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)*\.\w{2,}"
    recognizers: list[Any] = [
        known.CreditCardRecognizer(),
        known.CryptoRecognizer(),
        PatternRecognizer("EMAIL_ADDRESS", patterns=[Pattern("email", email, 1.0)]),
        known.IbanRecognizer(),
        known.IpRecognizer(),
        known.MacAddressRecognizer(),
        known.PhoneRecognizer(supported_regions=PHONE_REGIONS),
        PatternRecognizer("SECRET", patterns=secrets, global_regex_flags=re.DOTALL | re.MULTILINE),
        known.UsSsnRecognizer(),
        known.SpacyRecognizer(supported_entities=list(NAMES)),
    ]
    return RecognizerRegistry(recognizers, supported_languages=["en"])


def _nlp_engine(name_model: str | None) -> "NlpEngine":
    """Return the language model, without one words alone."""
    import spacy
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    loaded = spacy.blank("en") if name_model is None else spacy.load(name_model)
    engine = SpacyNlpEngine([{"lang_code": "en", "model_name": name_model or "blank"}])
    engine.nlp = {"en": loaded}
    return engine
