"""Any value of another type, anywhere in a log: it is read, or it is one sentence."""

import copy
import gzip
import json
import shutil
from contextlib import suppress

import pytest

from pipelines.imports import join_records
from scope.errors import ScopeError
from scope.questions import LongPrompts
from tests.pipelines.imports.rows import (
    ALPACA,
    BATCH,
    LEADERBOARDS,
    LLMROUTERBENCH,
    LOGS,
    PROMPTFOO,
    records,
    written,
)

OTHERS = (None, -1, "x", [], {}, [1], True)
(SAMPLES,) = (LOGS / "lm_eval" / "gpt-4o").glob("samples_*")
(RESULTS,) = (LOGS / "lm_eval" / "gpt-4o").glob("results_*")
INSPECT = json.loads(gzip.decompress((LOGS / "inspect" / "geo_gpt-4o-mini.json.gz").read_bytes()))
INSPECT["samples"] = [{**INSPECT["samples"][0], "events": []}]


def places(value, before=()):
    """The way to every value within a value; of a list to the first only."""
    yield before
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*before, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*before, 0))


def replaced(value, place, other):
    if not place:
        return other
    value = copy.deepcopy(value)
    inner = value
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = other
    return value


@pytest.mark.parametrize(
    ("log_format", "name", "log"),
    [
        ("alpaca-eval", "annotations.json", ALPACA),
        ("inspect", "log.json", INSPECT),
        ("llmrouterbench", "log.json", LLMROUTERBENCH),
        ("lm-eval", SAMPLES.name, [json.loads(SAMPLES.read_text().splitlines()[0])]),
        ("lm-eval", RESULTS.name, json.loads(RESULTS.read_text())),
        ("openai-batch", "out.jsonl", [BATCH]),
        ("promptfoo", "log.json", PROMPTFOO),
        ("swe-bench", "log.json", LEADERBOARDS),
    ],
)
def test_every_value_may_be_of_another_type(tmp_path, log_format, name, log):
    shutil.copy(SAMPLES, tmp_path)
    shutil.copy(RESULTS, tmp_path)
    asked = [{"id": "q1", "prompt": "A. x\nB. y", "gt": "B"}, {"id": "a__b-1", "prompt": "It."}]
    options = {}
    if log_format in ("openai-batch", "swe-bench"):
        options["questions"] = written(tmp_path / "questions.jsonl", asked)
    path = SAMPLES.name if log_format == "lm-eval" else name

    for place in places(log):
        for other in OTHERS:
            changed = replaced(log, place, other)
            written(tmp_path / name, changed if isinstance(changed, list | dict) else [changed])
            with suppress(ScopeError):
                join_records(records(log_format, tmp_path / path, **options), LongPrompts())
