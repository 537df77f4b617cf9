"""What the errors of upstreams tell about the account that pays, and clients need not know."""

import re

from scope.upstream import KEY_FORMATS

HIDDEN = "***"

MAX_CHARS = 4_000
"""Length of the words of an upstream that are passed on: some quote the whole prompt."""

_END = r"[^\s'\"`<>,;)]"
"""A character that does not end an address, a key or a path in a text."""

_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # Addresses inside a network; users and queries of all others.
        (r"(https?://)[^\s/@'\"]{1,256}@", rf"\1{HIDDEN}@"),
        (rf"https?://[\w-]{{1,63}}(?![\w-]|\.\w)(?::\d+)?(?:/{_END}*)?", HIDDEN),
        (
            r"(?:https?://)?(?<![\w.-])(?:localhost|\d{1,3}(?:\.\d{1,3}){3}"
            r"|(?:[\w-]{1,63}\.){1,8}(?:internal|local|localdomain|lan|corp|svc|intranet))"
            rf"(?![\w-]|\.\w)(?::\d+)?(?:/{_END}*)?",
            HIDDEN,
        ),
        (r"\b(host=['\"]?)[\w.-]+", rf"\1{HIDDEN}"),
        (rf"(https?://[^\s?'\"`<>,;)]{{1,512}}\?){_END}+", rf"\1{HIDDEN}"),
        # Keys, whole or with their middle left out.
        (rf"\b(bearer|basic) +{_END}{{6,}}", rf"\1 {HIDDEN}"),
        (rf"\bsk-{_END}{{3,}}(?<!\.)", HIDDEN),
        (rf"\b(?:pk|rk|gsk|xai|hf|nvapi|pplx|key|api)[-_](?={_END}*[\d*…•]){_END}{{3,}}", HIDDEN),
        (
            rf"(api[ _-]?keys?(?: provided)?['\"]?\s{{0,2}}[:=(]\s{{0,2}}['\"`]?)"
            rf"(?={_END}*[\d*]){_END}{{4,}}(?<!\.)",
            rf"\1{HIDDEN}",
        ),
        (r"(?<![\w-])[\w-]{0,64}(?:\*{3,}|•{2,})[\w-]{0,64}", HIDDEN),
        # Accounts, users and requests.
        (
            r"\b(?:org|organization|proj|project|user|acct|account|req|request|team|tenant)"
            r"[-_](?=[a-z]*\d)[a-z0-9]{5,}",
            HIDDEN,
        ),
        (
            r"\b((?:request|trace|correlation|organization|project|account|user|tenant|subscription)"
            r"[ _-]?(?:id|number)['\"]?\s{0,2}[:=(]?\s{0,2}['\"`]?)(?=[\w-]*\d)[\w-]{6,}",
            rf"\1{HIDDEN}",
        ),
        (r"\b(projects|accounts|organizations|subscriptions|tenants)/[\w.-]{4,}", rf"\1/{HIDDEN}"),
        (rf"\barn:aws[\w-]*:{_END}+", HIDDEN),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{32,64}\b", HIDDEN),
        (r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}\b", HIDDEN),
        (rf"(?<![\w/:.#])/(?:home|root|app|usr|opt|var|etc|mnt|srv|tmp)/{_END}+", HIDDEN),
    )
)


def hide_private(text: str) -> str:
    """Return the words of an error without keys, accounts and addresses inside a network.

    Examples
    --------
    >>> hide_private("Incorrect API key provided: sk-ab***xyz. See https://platform.openai.com.")
    'Incorrect API key provided: ***. See https://platform.openai.com.'
    >>> hide_private("Rate limit reached for gpt-4o in organization org-a1B2c3D4e5 on tokens")
    'Rate limit reached for gpt-4o in organization *** on tokens'
    """
    text = KEY_FORMATS.sub(HIDDEN, text[:MAX_CHARS])
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
