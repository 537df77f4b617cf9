"""Read the result folders of AlpacaEval: preferences against a reference answer."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.imports.files import log_files, read_json
from pipelines.imports.record import Record, optional_text, score_of, text_of
from scope.errors import FormatError


def read_alpaca_eval(paths: Sequence[Path]) -> Iterator[Record]:
    """Yield the answers in ``annotations.json``.

    The score is the judge's ``preference``, 1 for the reference to 2 for the model, minus 1: the
    probability that the model's answer is the better one. Pairs without one are left out.

    Raises
    ------
    FormatError
        If a file has another form.
    """
    for path in log_files(paths, "annotations.json"):
        rows = read_json(path)
        if not isinstance(rows, list):
            raise FormatError(f"{path} is a {type(rows).__name__}; expected a list of annotations")
        for number, row in enumerate(rows, start=1):
            location = f"{path}: annotation {number}"
            prompt, model = (
                text_of(row, "instruction", location),
                text_of(row, "generator_2", location),
            )
            preference = row.get("preference")
            if preference is None:
                continue
            if isinstance(preference, bool) or not isinstance(preference, int | float):
                raise FormatError(
                    f"{location}: preference is {preference!r:.40}; expected a number in 1..2"
                )
            yield Record(
                location=location,
                prompt=prompt,
                model=model,
                score=score_of(preference - 1, "preference - 1", location),
                answer=optional_text(row.get("output_2")),
                category=optional_text(row.get("dataset")) or "",
                source="alpaca_eval",
                settings=optional_text(row.get("annotator")) or "",
            )
