"""Read what EleutherAI's lm-evaluation-harness writes with ``--log_samples``."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.imports.files import chat_text, log_files, log_rows, read_json
from pipelines.imports.metric import chosen_metric
from pipelines.imports.record import (
    Record,
    field_of,
    list_of,
    optional_text,
    part_of,
    score_of,
    settings_text,
)
from scope.errors import FormatError

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")


def read_lm_eval(paths: Sequence[Path], metric: str | None) -> Iterator[Record]:
    """Yield the answers in ``samples_TASK_TIME.jsonl``.

    ``results_TIME.json`` beside it names model and settings. The question is the prompt as it was
    sent, with its examples. A log has no token counts.

    Parameters
    ----------
    paths : sequence of Path
        Files, or folders with such files.
    metric : str, optional
        As the harness prints it: ``exact_match`` or ``exact_match,strict-match``, the second with
        the name of the filter. Needed where the samples have several.

    Raises
    ------
    FormatError
        If a file is not what the harness writes, or has no or several metrics.
    """
    for path in log_files(paths, "samples_*.jsonl"):
        task, results = _results(path)
        model = field_of(results, "model_name", str(path))
        rows = list(log_rows(path))
        names = {
            f"{name},{row.get('filter')}"
            for location, row in rows
            for name in list_of(row, "metrics", location)
        }
        name, _, filter_name = chosen_metric(names, metric, str(path)).partition(",")
        settings = _settings(results, task)
        rows = [(location, row) for location, row in rows if row.get("filter") == filter_name]
        _check_whole(path, len(rows), results, task)
        for location, row in rows:
            prompt, gold, answer = _texts(row, location)
            yield Record(
                location=location,
                prompt=prompt,
                model=str(model),
                score=score_of(row.get(name), name, location),
                answer=answer,
                gold=gold,
                category=task,
                source=task,
                settings=settings,
            )


def _results(path: Path) -> tuple[str, Mapping[str, Any]]:
    """Return the task of a file of samples, and the results of its run."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise FormatError(f"{path} is not named samples_TASK_TIME.jsonl, as the harness names it")
    results = path.with_name(f"results_{name['time']}.json")
    if not results.exists():
        raise FormatError(f"{path} has no {results.name} beside it, which names its model")
    value = read_json(results)
    if not isinstance(value, Mapping):
        raise FormatError(f"{results} is a {type(value).__name__}; expected an object")
    return name["task"], value


def _check_whole(path: Path, n_rows: int, results: Mapping[str, Any], task: str) -> None:
    """Raise `FormatError` if the file has fewer samples than the run says that it had."""
    n_run = part_of(results, "n-samples", task).get("effective")
    if isinstance(n_run, int) and n_rows < n_run:
        raise FormatError(f"{path} has {n_rows:,} samples, its run had {n_run:,}; it is cut off")


def _settings(results: Mapping[str, Any], task: str) -> str:
    return settings_text(
        {
            "num_fewshot": part_of(results, "n-shot").get(task),
            "generation_kwargs": part_of(results, "configs", task).get("generation_kwargs"),
            "gen_kwargs": part_of(results, "config").get("gen_kwargs"),
            "version": part_of(results, "versions").get(task),
            "system_instruction": results.get("system_instruction_sha"),
            "chat_template": results.get("chat_template_sha"),
        }
    )


def _texts(row: Mapping[str, Any], location: str) -> tuple[str, str | None, str | None]:
    """Return prompt, gold answer and answer of a sample.

    Of a multiple-choice task the gold answer is the text of its option, and no answer was written.
    """
    requests = field_of(row, "arguments", location)
    first = field_of(requests, "gen_args_0", f"{location}: arguments")
    context = field_of(first, "arg_0", f"{location}: arguments")
    prompt, target = _prompt(context, location), row.get("target")
    option = part_of(requests, f"gen_args_{target}").get("arg_1") if len(requests) > 1 else None
    if isinstance(option, str):
        return prompt, option.strip(), None
    replies = row.get("filtered_resps")
    reply = replies[0] if isinstance(replies, list) and replies else None
    raw = row.get("resps")
    if isinstance(raw, list) and raw and isinstance(raw[0], list) and raw[0]:
        reply = raw[0][0]
    return prompt, optional_text(target), reply if isinstance(reply, str) else None


def _prompt(context: object, location: str) -> str:
    """Return the text of a request; of a chat it is a list with its messages as JSON."""
    text = context[0] if isinstance(context, list) and context else context
    if not isinstance(text, str) or not text.strip():
        raise FormatError(f"{location}: arg_0 is {context!r:.40}; expected text")
    if isinstance(context, list):
        try:
            return chat_text(json.loads(text), location)
        except json.JSONDecodeError:
            return text
    return text
