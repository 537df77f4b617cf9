"""Estimate how many tokens a text has, without a tokenizer."""

import math
import string

BYTES_PER_TOKEN = 3
"""Bytes of a word per token; with most tokenizers 4.2 in English, 3.5 in code, 3 in Chinese."""
_WORDS = (string.ascii_letters + string.whitespace).encode() + bytes(range(0x80, 0x100))


def estimated_tokens(text: bytes) -> int:
    """Return an upper estimate of the number of tokens of a UTF-8 text.

    ``letters, spaces and other scripts / 3 + digits and punctuation``: every digit or mark may
    be a token of its own; a word rarely has more than one token per 3 bytes.

    Examples
    --------
    >>> estimated_tokens(b"What is the capital of France?"), estimated_tokens(b"2+2=4")
    (11, 5)
    """
    dense = len(text.translate(None, _WORDS))
    return math.ceil((len(text) - dense) / BYTES_PER_TOKEN) + dense
