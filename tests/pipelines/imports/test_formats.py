import shutil

import pytest

from pipelines.imports.record import Record
from scope.errors import ConfigError, FormatError
from tests.pipelines.imports.rows import (
    ALPACA,
    BATCH,
    FAILED,
    LEADERBOARDS,
    LLMROUTERBENCH,
    LOGS,
    PROMPTFOO,
    ROUTERBENCH,
    records,
    written,
)

EVAL = "geo_gpt-4o.eval"


def facts(record: Record):
    return record.prompt, record.model, record.score


def test_lm_eval_of_two_models():
    """
    The endpoint always answered Paris for the one and Rome for the other.
    """
    read = records("lm-eval", LOGS / "lm_eval" / "gpt-4o", LOGS / "lm_eval" / "gpt-4o-mini")

    assert [(r.model, r.answer, r.gold, r.score) for r in read] == [
        ("gpt-4o", "Paris", "Paris", 1.0),
        ("gpt-4o", "Paris", "Rome", 0.0),
        ("gpt-4o", "Paris", "Oslo", 0.0),
        ("gpt-4o", "Paris", "Madrid", 0.0),
        ("gpt-4o-mini", "Rome", "Paris", 0.0),
        ("gpt-4o-mini", "Rome", "Rome", 1.0),
        ("gpt-4o-mini", "Rome", "Oslo", 0.0),
        ("gpt-4o-mini", "Rome", "Madrid", 0.0),
    ]
    assert read[0].prompt == "Question: What is the capital of France?\nAnswer:"
    assert read[0].completion_tokens is None


def test_lm_eval_with_options_has_the_text_of_the_right_one():
    """
    Its target is a number; a log likelihood is no answer.
    """
    first = records("lm-eval", LOGS / "lm_eval" / "tiny", metric="acc")[0]

    assert (first.gold, first.answer, first.category) == ("Paris", None, "capitals_mc")


def test_several_metrics_must_be_chosen_from():
    with pytest.raises(FormatError, match=r"acc,none, acc_norm,none; choose one with --metric"):
        records("lm-eval", LOGS / "lm_eval" / "tiny")


def test_inspect_archive_and_json():
    """
    ``includes`` finds two of four capitals in "Paris, or Rome", and one in "Rome".
    """
    read = records("inspect", LOGS / "inspect")

    assert {r.model: [] for r in read} == {"openai/gpt-4o-mini": [], "openai/gpt-4o": []}
    assert [r.score for r in read] == [0, 1, 0, 0, 1, 1, 0, 0]
    assert {(r.prompt_tokens, r.completion_tokens) for r in read} == {(20, 10)}
    assert read[0].prompt == "What is the capital of France?"


@pytest.mark.parametrize("share", [0.3, 0.5, 0.99])
def test_an_archive_that_is_cut(tmp_path, share):
    data = (LOGS / "inspect" / EVAL).read_bytes()
    (tmp_path / EVAL).write_bytes(data[: int(share * len(data))])

    with pytest.raises(FormatError, match="is no whole archive"):
        records("inspect", tmp_path / EVAL)


def test_a_run_that_did_not_finish(tmp_path):
    log = {"status": "started", "eval": {}, "samples": []}

    with pytest.raises(FormatError, match="has the status 'started'; expected a run with 'succ"):
        records("inspect", written(tmp_path / "log.json", log))


@pytest.mark.parametrize("n_lines", [3, 3.5])
def test_lm_eval_samples_that_are_cut(tmp_path, n_lines):
    """
    Between two lines it is found by the number of samples of the run.
    """
    folder = shutil.copytree(LOGS / "lm_eval" / "gpt-4o", tmp_path / "m")
    (samples,) = folder.glob("samples_*")
    lines = samples.read_text().splitlines(keepends=True)
    half = lines[3][:100] if n_lines > 3 else ""
    samples.write_text("".join(lines[:3]) + half)

    with pytest.raises(FormatError, match=r"line 4 is not JSON|has 3 samples, its run had 4"):
        records("lm-eval", folder)


def test_lm_eval_without_results(tmp_path):
    (samples,) = (LOGS / "lm_eval" / "gpt-4o").glob("samples_*")
    shutil.copy(samples, tmp_path)

    with pytest.raises(FormatError, match=r"has no results_.* beside it, which names its model"):
        records("lm-eval", tmp_path)


def test_promptfoo_keeps_half_points_and_leaves_out_failed_calls(tmp_path):
    (record,) = records("promptfoo", written(tmp_path / "r.json", PROMPTFOO))

    assert facts(record) == ("1 + 1?", "gpt-4o-mini", 0.5)
    assert (record.prompt_tokens, record.completion_tokens, record.cost_usd) == (9, 3, 0.001)


def test_an_older_promptfoo_gives_no_reason_for_a_failed_call(tmp_path):
    """
    Version 0.100.0 writes no `failureReason`; its failed calls have a score of 0 and no output.
    """
    answered, failed = ({**row} for row in PROMPTFOO["results"]["results"])
    del answered["failureReason"], failed["failureReason"]
    results = {"results": {"version": 3, "results": [answered, failed]}}

    (record,) = records("promptfoo", written(tmp_path / "r.json", results))

    assert record.prompt == "1 + 1?"


def test_promptfoo_named_score(tmp_path):
    (record,) = records("promptfoo", written(tmp_path / "r.json", PROMPTFOO), metric="short")

    assert record.score == 1


def test_openai_batch_is_graded_by_the_gold_answer(tmp_path):
    """
    A request that failed is no wrong answer.
    """
    asked = {"id": "q1", "prompt": "Which?\nA. x\nB. y", "gt": "B"}
    questions = written(tmp_path / "q.jsonl", [asked])
    batch = written(tmp_path / "out.jsonl", [BATCH, FAILED])

    (record,) = records("openai-batch", batch, questions=questions)

    assert facts(record) == (asked["prompt"], "gpt-4o", 1.0)
    assert (record.prompt_tokens, record.completion_tokens) == (12, 6)


def test_a_batch_about_an_unknown_question(tmp_path):
    questions = written(tmp_path / "q.jsonl", [{"id": "other", "prompt": "1?", "gt": "1"}])

    with pytest.raises(FormatError, match=r"q.jsonl has no question 'q1'"):
        records("openai-batch", written(tmp_path / "o.jsonl", [BATCH]), questions=questions)


def test_routerbench_table(tmp_path):
    (record,) = records("routerbench", written(tmp_path / "t.csv", ROUTERBENCH))

    assert facts(record) == ("Name it.\nNow.", "gpt-4o", 0.5)
    assert (record.answer, record.cost_usd, record.category) == ("A", 0.001, "mmlu")


def test_routerbench_pickle_is_never_read(tmp_path):
    with pytest.raises(FormatError, match="is a pickle, which can run code"):
        records("routerbench", written(tmp_path / "routerbench_0shot.pkl", "x"))


def test_llmrouterbench_file(tmp_path):
    (record,) = records("llmrouterbench", written(tmp_path / "r.json", LLMROUTERBENCH))

    assert facts(record) == ("Answer: 1 + 1?", "gpt-4o", 0.25)
    assert (record.completion_tokens, record.gold, record.category) == (2, "2", "aime")


def test_alpaca_eval_folder(tmp_path):
    """
    A preference of 1.75 is a probability of .75 that the model's answer is the better one.
    """
    written(tmp_path / "results" / "gpt-4o" / "judge" / "annotations.json", ALPACA)

    (record,) = records("alpaca-eval", tmp_path / "results")

    assert facts(record) == ("Tell a joke.", "gpt-4o", 0.75)


def test_swe_bench_leaderboard(tmp_path):
    questions = written(tmp_path / "q.jsonl", [{"id": "a__b-1", "prompt": "It breaks."}])
    board = written(tmp_path / "leaderboards.json", LEADERBOARDS)

    (record,) = records("swe-bench", board, questions=questions)

    assert facts(record) == ("It breaks.", "gpt-4o", 1.0)
    assert record.cost_usd == 0.5


def test_csv(tmp_path):
    text = "prompt,model,score,completion_tokens,gold\n1 + 1?,m,0.5,,2\n1 + 1?,n,true,7,2\n"

    first, second = records("csv", written(tmp_path / "t.csv", text))

    assert facts(first) == ("1 + 1?", "m", 0.5)
    assert (first.completion_tokens, second.completion_tokens, second.score) == (None, 7, 1.0)


@pytest.mark.parametrize("score", ["1.5", "-0.1", "nan", "good"])
def test_a_score_outside_the_unit_interval(tmp_path, score):
    table = written(tmp_path / "t.csv", f"prompt,model,score\nq,m,{score}\n")

    with pytest.raises(FormatError, match=f"row 1: score is '{score}'; expected a number in 0..1"):
        records("csv", table)


@pytest.mark.parametrize(
    ("log_format", "options", "sentence"),
    [
        ("mlflow", {}, "FORMAT is 'mlflow'; expected one of alpaca-eval"),
        ("swe-bench", {}, "swe-bench has no texts of questions; name them by --questions"),
        ("csv", {"metric": "acc"}, "--metric is not for csv"),
        ("inspect", {"grader": "text"}, "--grader is not for inspect"),
    ],
)
def test_options_of_other_formats(tmp_path, log_format, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        records(log_format, tmp_path, **options)
