"""What an operator writes about an upstream: its address, and the variable that holds its key.

A key that stands in the place of either by mistake is never shown.
"""

import re
from urllib.parse import urljoin, urlsplit

KEY_FORMATS = re.compile(
    r"\bsk-[A-Za-z0-9_-]{16,}|\bhf_[A-Za-z0-9]{16,}|\bgh[po]_[A-Za-z0-9]{20,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\bxox[abp]-[A-Za-z0-9-]{10,}"
)
"""Keys of OpenAI and OpenRouter, Hugging Face, GitHub, AWS, Google, TLS and Slack."""

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
USUAL_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
RANDOM_CHARS, RANDOM_DIGITS = 16, 3
"""A part of a name of so many characters looks random if it mixes so many digits, or cases."""

NO_VARIABLE = (
    "no name of an environment variable, and perhaps a key; name the variable that holds the key"
)

CALLED = "/chat/completions"
ENDPOINTS = (
    CALLED,
    "/completions",
    "/responses",
    "/messages",
    "/embeddings",
    "/models",
)
"""Paths of an API that follow its base URL."""


def address_problem(base_url: str, called: str = CALLED) -> str | None:
    """Return what is wrong with the base URL of an API; None if nothing is.

    Parameters
    ----------
    base_url : str
    called : str, default="/chat/completions"
        Path that calls add.

    Examples
    --------
    >>> address_problem("https://openrouter.ai/api/v1/chat/completions")
    'ends in /chat/completions; leave that out, as calls add /chat/completions'
    >>> address_problem("http://127.0.0.1:8000/v1/")
    """
    if not base_url.startswith(("http://", "https://")):
        return "expected http:// or https://"
    if any(mark in base_url for mark in "@?#") or any(map(str.isspace, base_url)):
        return "holds more than an address; name the key's variable instead"
    try:
        address = urlsplit(base_url)
        if not address.hostname or address.port == 0:
            return "expected a host after http:// or https://"
    except ValueError:
        return "expected a host, and a port below 65536, after http:// or https://"
    path = base_url.rstrip("/")
    for endpoint in ENDPOINTS:
        if path.endswith(endpoint):
            return f"ends in {endpoint}; leave that out, as calls add {called}"
    return None


def redirect_words(url: str, location: str | None) -> str:
    """Return what to do about a redirect, which is never followed: the key is for one server.

    Parameters
    ----------
    url : str
        The address that was called.
    location : str or None
        The header ``Location``. Its user and query are not told.

    Examples
    --------
    >>> redirect_words("http://a.com/v1/chat/completions", "https://a.com/v1/chat/completions?k=1")
    'redirects to https://a.com/v1, which is not followed; name that address if it is the right one'
    """
    try:
        target = urlsplit(urljoin(url, location or ""))
        known = bool(target.hostname) and target.port != 0
    except ValueError:
        known = False
    if not known or not location or target.scheme not in ("http", "https"):
        return "redirects, but to no address that can be called"
    path = target.path.rstrip("/").removesuffix(CALLED)
    address = f"{target.scheme}://{target.netloc.rpartition('@')[2]}{path}"
    return (
        f"redirects to {address}, which is not followed; name that address if it is the right one"
    )


def is_variable_name(text: str) -> bool:
    """Return whether a text is the name of an environment variable, and unlikely to be a key.

    Examples
    --------
    >>> is_variable_name("OPENROUTER_API_KEY"), is_variable_name("sk_live_4eC39HqLyjWDarjtT1zdp7dc")
    (True, False)
    """
    if not VARIABLE.fullmatch(text) or KEY_FORMATS.search(text):
        return False
    return not any(_looks_random(part) for part in text.split("_"))


def variable_problem(text: str) -> str | None:
    """Return what is wrong with the name of a variable, without showing it; None if nothing is.

    Examples
    --------
    >>> variable_problem("sk-proj-0123456789abcdef")
    'no name of an environment variable, and perhaps a key; name the variable that holds the key'
    """
    return None if is_variable_name(text) else NO_VARIABLE


def variable_in_words(name: str) -> str:
    """Return how a message names a variable: by its name only if that is no key for certain.

    Examples
    --------
    >>> variable_in_words("OPENROUTER_API_KEY"), variable_in_words("correcthorsebatterystaple")
    ('the environment variable OPENROUTER_API_KEY', 'the environment variable that it names')
    """
    is_certain = USUAL_VARIABLE.fullmatch(name) and is_variable_name(name)
    return f"the environment variable {name if is_certain else 'that it names'}"


def _looks_random(part: str) -> bool:
    if len(part) < RANDOM_CHARS:
        return False
    n_digits = sum(map(str.isdigit, part))
    return n_digits >= RANDOM_DIGITS or not (part.islower() or part.isupper())
