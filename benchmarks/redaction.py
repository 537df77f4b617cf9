"""How much personal data `--redact` finds in made-up prompts, by kind, and how much else it marks.

``python -m benchmarks.redaction`` prints one row for each kind. Needs the extra ``redact``; names
are looked for where a spaCy model is installed, another one by ``SPACY_MODEL``.
"""

import os
from collections import defaultdict

from pipelines.traffic import redaction

PROMPTS = {
    "e-mail": (
        ("Write to {} that the parcel is late.", "j.doe@example.com"),
        ("cc {}; and thank her", "Maria.Schmidt+work@mail.example.de"),
        ("Is {} a valid address?", "büro@münchen.example"),
        ("His mail is {}, I think", "tom at example dot com"),
    ),
    "phone": (
        ("Call me on {} after six.", "+49 170 1234567"),
        ("Our desk: {} ext 4", "(212) 555-0134"),
        ("ring {} tomorrow", "020 7946 0958"),
        ("Meine Nummer ist {}.", "0170/1234567"),
        ("tel {}", "+33 1 42 68 53 00"),
        ("whatsapp {}", "+91 98765 43210"),
    ),
    "credit card": (
        ("Charge {} please", "4111 1111 1111 1111"),
        ("card no. {}", "5500-0000-0000-0004"),
        ("Amex {} exp 12/29", "378282246310005"),
    ),
    "IBAN": (
        ("Transfer to {} today", "DE89 3704 0044 0532 0130 00"),
        ("iban {}", "GB82WEST12345698765432"),
        ("konto {}", "FR1420041010050500013M02606"),
    ),
    "IP address": (
        ("ssh to {} fails", "192.168.10.4"),
        ("ping {}", "2001:db8::ff00:42:8329"),
    ),
    "US social security number": (
        ("my SSN is {}", "219-09-9999"),
        ("ssn: {}", "219099999"),
    ),
    "key or password": (
        ("OPENAI_API_KEY={}", "sk-proj-Ab3_dEfGhIjKlMnOpQrStUvWx"),
        ("git clone https://{}@github.example/x", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("aws key {}", "AKIAIOSFODNN7EXAMPLE"),
        ("password={}", "hunter2!"),
        ("my password is {}", "correcthorse9"),
        ("curl -H 'Authorization: Bearer {}'", "abcDEF123456789012345678"),
        ("postgres://admin:{}@db.internal/x", "s3cr3tpw"),
    ),
    "name of a person": (
        ("Write a letter to {} about her rent.", "Maria Schmidt"),
        ("{} was born in 1971 and leads the team.", "Thomas Okafor"),
        ("my boss {} is angry", "priya raman"),
        ("Ich bin {} aus Köln.", "Jürgen Weiß"),
        ("Dear Dr. {}, thank you", "Nakamura"),
        ("Compare the essays of {} and me", "Zoë O'Connor"),
    ),
    "place or address": (
        ("Ship it to {}.", "12 Baker Street, London"),
        ("Ich wohne in der {}", "Hauptstraße 5, 50667 Köln"),
        ("The clinic in {} closed", "Boston"),
    ),
}
"""Kind -> prompts with the piece that must go."""

HARMLESS = (
    "Is 91 a prime number?",
    "What is 1234567890 divided by 45?",
    "def f(x):\n    return [x[0], 3.14159265358979, 2**64 - 1]\nassert f([10000000000]) == ??",
    "Version 1.2.3 of 2026-11-28 at 12:30 costs $1,234.56.",
    "Who wrote the Critique of Pure Reason, and when?",
    "Prove that Euler's identity follows from the Taylor series.",
    "A train leaves Boston at 9:15 and travels 215 miles. When does it arrive?",
    "Which gas do plants take in? A) oxygen B) carbon dioxide",
    "sha256 of the file: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "Order 7000-1234-5678 has not arrived, what do I write?",
)


def main() -> None:
    """Print the rows."""
    if model := os.environ.get("SPACY_MODEL"):
        redaction.NAME_MODELS = (model,)
    redactor = redaction.Redactor()
    print(f"names by {redactor.name_model or 'nothing: no spaCy model'}\n")
    print("| kind | found |\n|---|---|")
    missed = defaultdict(list)
    for kind, pairs in PROMPTS.items():
        texts, _ = redactor.redact([prompt.format(piece) for prompt, piece in pairs])
        missed[kind] = [
            piece for (_, piece), text in zip(pairs, texts, strict=True) if _remains(piece, text)
        ]
        print(f"| {kind} | {len(pairs) - len(missed[kind])} of {len(pairs)} |")
    marked = [text for text in redactor.redact(HARMLESS)[0] if text not in HARMLESS]
    print(f"| harmless prompts that were changed | {len(marked)} of {len(HARMLESS)} |\n")
    print("missed:", dict(missed))
    print("changed:", marked)


def _remains(piece: str, text: str) -> bool:
    """Return whether a word of the piece, of at least four characters, is still in the text."""
    return any(word in text for word in piece.replace(",", " ").split() if len(word) > 3)


if __name__ == "__main__":
    main()
