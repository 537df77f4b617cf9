"""Read the tables of routing benchmarks: RouterBench's wide one, LLMRouterBench's files, CSV."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.imports.files import log_files, log_rows, read_json
from pipelines.imports.record import (
    Record,
    field_of,
    list_of,
    optional_text,
    part_of,
    score_of,
    text_of,
    tokens_of,
    usd_of,
)
from scope.errors import FormatError

COST, RESPONSE = "|total_cost", "|model_response"
"""What RouterBench adds to the name of a model: the columns beside that of its score."""


def read_table(paths: Sequence[Path]) -> Iterator[Record]:
    """Yield the rows of CSV, JSON lines or Parquet: an answer a row.

    ``prompt``, ``model`` and ``score``; optional are ``answer``, ``prompt_tokens``,
    ``completion_tokens``, ``cost_usd``, ``gold``, ``category`` and ``settings``.

    Raises
    ------
    FormatError
        If a row lacks a field, or a number is none.
    """
    for path in log_files(paths, "*.csv", "*.jsonl", "*.parquet"):
        for location, row in log_rows(path):
            yield Record(
                location=location,
                prompt=text_of(row, "prompt", location),
                model=text_of(row, "model", location),
                score=score_of(field_of(row, "score", location), "score", location),
                answer=optional_text(row.get("answer")),
                prompt_tokens=tokens_of(row.get("prompt_tokens"), "prompt_tokens", location),
                completion_tokens=tokens_of(
                    row.get("completion_tokens"), "completion_tokens", location
                ),
                cost_usd=usd_of(row.get("cost_usd"), "cost_usd", location),
                gold=optional_text(row.get("gold")),
                category=optional_text(row.get("category")) or "",
                settings=optional_text(row.get("settings")) or "",
            )


def read_routerbench(paths: Sequence[Path]) -> Iterator[Record]:
    """Yield the answers of RouterBench: a row a question, and three columns a model.

    Its published files are pickles, which can run code when they are read: they are refused.

    Raises
    ------
    FormatError
        If a file is a pickle, or no model has a column of costs.
    """
    for path in log_files(paths, "*.csv", "*.parquet"):
        if path.suffix == ".pkl":
            raise FormatError(
                f"{path} is a pickle, which can run code when it is read; save the table that you "
                "trust as Parquet: pandas.read_pickle(FILE).to_parquet(OTHER)"
            )
        for location, row in log_rows(path):
            models = [name.removesuffix(COST) for name in row if name.endswith(COST)]
            if not models:
                raise FormatError(f"{path} has no column MODEL{COST}; expected one for each model")
            prompt, task = _listed(text_of(row, "prompt", location)), row.get("eval_name")
            for model in models:
                if row.get(model) is None:
                    continue
                yield Record(
                    location=location,
                    prompt=prompt,
                    model=model,
                    score=score_of(row[model], model, location),
                    answer=_listed(optional_text(row.get(model + RESPONSE)) or "") or None,
                    cost_usd=usd_of(row.get(model + COST), model + COST, location),
                    category=optional_text(task) or "",
                )


def read_llmrouterbench(paths: Sequence[Path]) -> Iterator[Record]:
    """Yield the answers of LLMRouterBench: a file for each data set and model.

    Records without a score were not graded, and are left out, as are trial runs (``demo``).

    Raises
    ------
    FormatError
        If a file has another form.
    """
    for path in log_files(paths, "*.json"):
        run = read_json(path)
        model, task = text_of(run, "model_name", str(path)), text_of(run, "dataset_name", str(path))
        rows = list_of(run, "records", str(path))
        for number, row in enumerate([] if run.get("demo") else rows, start=1):
            location = f"{path}: record {number}"
            name = "prompt" if part_of(row).get("prompt") else "origin_query"
            prompt = text_of(row, name, location)
            if row.get("score") is None:
                continue
            yield Record(
                location=location,
                prompt=prompt,
                model=model,
                score=score_of(row["score"], "score", location),
                answer=optional_text(row.get("raw_output")),
                prompt_tokens=tokens_of(row.get("prompt_tokens"), "prompt_tokens", location),
                completion_tokens=tokens_of(
                    row.get("completion_tokens"), "completion_tokens", location
                ),
                cost_usd=usd_of(row.get("cost"), "cost", location),
                gold=optional_text(row.get("ground_truth")),
                category=task,
                source=task,
            )


def _listed(text: str) -> str:
    """Return a text that may be written as a list of Python's, as RouterBench writes turns."""
    if not (text.startswith("[") and text.endswith("]")):
        return text
    try:
        parts = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    is_list = isinstance(parts, list) and all(isinstance(part, str) for part in parts)
    return "\n".join(parts) if is_list else text
