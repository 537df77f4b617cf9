import pytest

from scope.bank import load_bank, read_manifest
from scope.embedding import MINILM
from tests.pipelines.imports.rows import (
    ALPACA,
    BATCH,
    FAILED,
    LEADERBOARDS,
    LLMROUTERBENCH,
    LOGS,
    PROMPTFOO,
    ROUTERBENCH,
    written,
)

HALF = (
    "prompt,model,score,answer\n1 + 1?,gpt-4o,0.5,Two\n1 + 1?,gpt-4o-mini,1,2\n2 + 2?,gpt-4o,1,4\n"
)


@pytest.mark.ray
def test_a_bank_from_logs_of_two_models(scope, cluster, tmp_path):
    """
    Texts, soft scores, and list prices of the names.
    """
    table = tmp_path / "t.csv"
    table.write_text(HALF)

    code, out, err = scope("bank", "import", "csv", table, "--output", tmp_path / "b", "--no-cache")

    assert code == 0, err
    assert "2 anchors × 2 models, 3 outcomes" in out
    assert "completion tokens: 3 estimated from the answer" in out
    bank = load_bank(tmp_path / "b")
    assert bank.prompts == ("1 + 1?", "2 + 2?")
    assert bank.outcomes.correct_am[0].tolist() == [0.5, 1.0]
    assert [model.usd_per_mtok_in for model in bank.models] == [2.5, 0.15]


def test_logs_become_a_bank_of_two_encoders(scope, embedded, checkpoint, tmp_path):
    """
    The second is a layer of a causal language model, as with `scope bank build`.
    """
    texts = ("1 + 1?", "2 + 2?")
    embedded(*texts)
    embedded(*texts, encoder=str(checkpoint), layer=1)
    table = tmp_path / "t.csv"
    table.write_text(HALF)
    encoders = ("--embedder", MINILM, "--embedder", f"{checkpoint}#1")

    code, _, err = scope("bank", "import", "csv", table, *encoders, "--output", tmp_path / "b")

    assert code == 0, err
    bank = load_bank(tmp_path / "b")
    assert (bank.second.embedder.name, bank.second.embedder.layer) == (str(checkpoint), 1)
    assert len(bank.second.vector_ay) == 2


TEXTS = (
    *(f"What is the capital of {name}?" for name in ("France", "Italy", "Norway", "Spain")),
    *("Tell a joke.", "Answer: 1 + 1?", "1 + 1?", "Name it.\nNow.", "It.", "A. x\nB. y"),
)
"""What the logs below ask."""


@pytest.mark.parametrize(
    ("log_format", "name", "log", "size"),
    [
        ("alpaca-eval", "gpt-4o/annotations.json", ALPACA, "1 anchors × 1 models"),
        ("inspect", LOGS / "inspect", None, "4 anchors × 2 models"),
        ("llmrouterbench", "aime.json", LLMROUTERBENCH, "1 anchors × 1 models"),
        ("lm-eval", LOGS / "lm_eval" / "gpt-4o", None, "4 anchors × 1 models"),
        ("openai-batch", "out.jsonl", [BATCH, FAILED], "1 anchors × 1 models"),
        ("promptfoo", "results.json", PROMPTFOO, "1 anchors × 1 models"),
        ("routerbench", "table.csv", ROUTERBENCH, "1 anchors × 1 models"),
        ("swe-bench", "leaderboards.json", LEADERBOARDS, "1 anchors × 1 models"),
    ],
)
def test_every_format_becomes_a_bank(scope, embedded, tmp_path, log_format, name, log, size):
    """
    From the command line to a bank that loads.
    """
    embedded(*TEXTS, *(f"Question: {text}\nAnswer:" for text in TEXTS))
    path = written(tmp_path / name, log) if log else name
    asked = [{"id": "q1", "prompt": "A. x\nB. y", "gt": "B"}, {"id": "a__b-1", "prompt": "It."}]
    has_ids = log_format in ("openai-batch", "swe-bench")
    flags = ("--questions", written(tmp_path / "q.jsonl", asked)) if has_ids else ()

    code, out, err = scope("bank", "import", log_format, path, *flags, "--output", tmp_path / "b")

    assert code == 0, err
    assert size in out
    assert load_bank(tmp_path / "b").prompts
    (step,) = read_manifest(tmp_path / "b").lineage
    names = [path.name, *(["q.jsonl"] if has_ids else [])]
    assert [(used.kind, used.name) for used in step.inputs] == list(
        zip(("logs", "questions"), names, strict=False)
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("prompt,model,score\nq,m", "row 1 has not as many fields", id="cut"),
        pytest.param("prompt,model,score\n", "has no rows", id="empty"),
        pytest.param("prompt,score\nq,1\n", "row 1 has no 'model'", id="no model"),
        pytest.param("prompt,model,score\nq,m,2\n", "score is '2'", id="score"),
        pytest.param(
            "prompt,model,score\nq,mine,1\n", "no list price is known of mine", id="price"
        ),
        pytest.param(
            "prompt,model,score,gold\nq,m,1,A\nq,n,1,B\n", "the gold answer is 'B'", id="two golds"
        ),
    ],
)
def test_bad_input_is_one_sentence(scope, tmp_path, text, sentence):
    """
    Exit code 2, and nothing is written.
    """
    table = tmp_path / "t.csv"
    table.write_text(text)

    code, _, err = scope("bank", "import", "csv", table, "--output", tmp_path / "b")

    assert (code, len(err.splitlines())) == (2, 1), err
    assert sentence in err
    assert not (tmp_path / "b").exists()


def test_a_price_file_lacks_a_model(scope, tmp_path):
    prices = tmp_path / "p.json"
    prices.write_text('{"gpt-4o": {"input": 1, "output": 2}}')
    logs = ("lm-eval", LOGS / "lm_eval" / "gpt-4o", LOGS / "lm_eval" / "gpt-4o-mini")

    code, _, err = scope("bank", "import", *logs, "--prices", prices, "--output", tmp_path / "b")

    assert code == 2
    assert "model 'gpt-4o-mini' has no price in" in err
