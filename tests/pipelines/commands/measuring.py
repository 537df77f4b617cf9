"""``scope measure`` on a few questions, as a test calls it."""

import json

import pyarrow.parquet as pq

KEY = "sk-very-secret-0123"
CALL_USD = (20 * 1.0 + 10 * 2.0) / 1e6
"""Cost of one answer of the upstream at the prices below."""


class Bench:
    """A folder with questions and prices, and the command for one model."""

    def __init__(self, run, upstream, folder, model):
        self.run, self.upstream, self.folder, self.model = run, upstream, folder, model
        self.output = folder / "out"
        self.write(8)
        price = {"input": 1.0, "output": 2.0}
        (folder / "prices.json").write_text(json.dumps({model: price, f"{model}/b": price}))

    def write(self, n, **fields):
        """Write `n` questions; the gold answer is A for even numbers."""
        rows = [
            {"id": f"q{i:03d}", "prompt": f"{i}?\nA. x\nB. y", "gt": "AB"[i % 2], **fields}
            for i in range(n)
        ]
        self.questions = self.folder / "questions.json"
        self.questions.write_text(json.dumps(rows))

    def arguments(self, *flags):
        given = {
            "--questions": self.questions,
            "--output": self.output,
            "--prices": self.folder / "prices.json",
            "--base-url": self.upstream.base_url,
            "--timeout": 20,
            **dict(zip(flags[::2], flags[1::2], strict=True)),
        }
        if not {"--models", "--plan", "--pool"} & set(given):
            given["--models"] = self.model
        pairs = [(flag, value) for flag, value in given.items() if value is not None]
        return ["measure", *(str(part) for pair in pairs for part in pair if part is not True)]

    def __call__(self, *flags, **behaviour):
        """Run with these flags and this behaviour of the upstream."""
        self.upstream.behave({self.model: behaviour, f"{self.model}/b": behaviour})
        return self.run(*self.arguments(*flags))

    def log(self):
        return [call for call in self.upstream.log() if call["model"].startswith(self.model)]

    def journal(self):
        return [json.loads(line) for line in (self.output / "journal.jsonl").open()]

    def outcomes(self):
        return pq.read_table(self.output / "outcomes.parquet").to_pylist()
