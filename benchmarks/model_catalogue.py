"""Write the embedded catalogue of windows and capabilities from LiteLLM's lists.

``python -m benchmarks.model_catalogue NEW.json OLD.json``: the files of
``model_prices_and_context_window_backup.json`` in two versions of the package ``litellm``; the
older one adds models that the newer one has dropped.
"""

import json
import sys
from pathlib import Path

from scope.model_catalogue import CAPABILITIES, FILE, plain_name
from scope.storage import atomic_file

MODES = ("chat", "completion", "responses")
MIN_WINDOW_TOKENS = 256
"""Smaller ones are placeholders."""


def read_models(path: str) -> dict[str, tuple[int, set[str]]]:
    """Return name -> window and capabilities; of all providers the largest, and all of them."""
    known: dict[str, tuple[int, set[str]]] = {}
    for model, row in json.loads(Path(path).read_text(encoding="utf-8")).items():
        if row.get("mode") not in MODES:
            continue
        window = row.get("max_input_tokens") or row.get("max_tokens")
        if not isinstance(window, int) or window < MIN_WINDOW_TOKENS:
            window = 0
        able = {name for name in CAPABILITIES if row.get(f"supports_{name}") is True}
        before, names = known.get(plain_name(model), (0, set()))
        known[plain_name(model)] = max(window, before), names | able
    return known


def main(*paths: str) -> None:
    """Write the catalogue; earlier files take precedence."""
    models: dict[str, tuple[int, set[str]]] = {}
    for path in reversed(paths):
        models |= read_models(path)
    rows = [
        json.dumps([name, window or None, *sorted(able)]) + "\n"
        for name, (window, able) in sorted(models.items())
        if window or able
    ]
    with atomic_file(FILE) as draft:
        draft.write_text("".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
