import json
from dataclasses import replace

import numpy as np
import pytest

from pipelines.bank.files import save_bank_now
from pipelines.embedding.cached import open_embedding_cache
from pipelines.embedding.encoder_actor import EncoderSpec
from scope.embedding import MINILM, EmbedderSpec, resolve_model, text_features
from scope.predictor import fit_bank, fit_second_encoder
from scope.questions import read_questions
from tests.factories.banks import bank_of
from tests.factories.decision_logs import two_models, write_log
from tests.factories.second_encoders import USED, second_kinds

PLACES = {"a tax": 0, "a sum": 90, "a  sum": 90, "two sums": 93, "a law": 180, "and then?": 270}
"""Text -> place on a circle; the anchors are at 0 and 20 degrees."""


def at(*degrees):
    """Unit vectors of the default embedder's length, on a circle."""
    vectors = np.zeros((len(degrees), 384), dtype=np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return vectors


@pytest.fixture
def bank(tmp_path):
    """The folder of a bank of the default embedder."""
    spec = EmbedderSpec(name=MINILM, revision=resolve_model(MINILM)[1], dimension=384)
    hand_made = bank_of([[1, 0], [0, 1]], embedding=at(0, 20))
    save_bank_now(replace(hand_made, embedder=spec), tmp_path / "bank", (), command="by hand")
    return tmp_path / "bank"


@pytest.fixture
def sample(scope, bank, monkeypatch, tmp_path):
    """Run the command on a log; vectors of `PLACES` are in the cache, so that no Ray starts."""
    monkeypatch.setenv("SCOPE_CACHE", str(tmp_path / "cache"))
    with open_embedding_cache(EncoderSpec(MINILM, None, cache=tmp_path / "cache")) as cache:
        cache.add(cache.keys(list(PLACES)), at(*PLACES.values()))

    def run(*requests, n=10, output="q.jsonl", flags=()):
        write_log(tmp_path / "log" / "decisions-r.00000001.jsonl", requests)
        log, file = tmp_path / "log", tmp_path / output
        arguments = ("--decisions", log, "--bank", bank, "--n", n, "--output", file, *flags)
        return *scope("bank", "sample", *arguments), file

    return run


def asked(name, prompt, **other):
    return two_models(name, prompt=prompt, prompt_is_whole=True, **other)


def rows_of(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_log_becomes_a_question_file(sample):
    """
    Its rows are questions for `scope measure`; what the bank has is left out.
    """
    log = [asked("a", "a  sum", session="s"), asked("b", "a sum"), asked("c", "a tax")]

    code, out, err, file = sample(*log)

    assert code == 0, err
    assert rows_of(file) == [
        {
            "id": "a",
            "prompt": "a  sum",
            "source": "traffic",
            "weight": 2,
            "session": "s",
            "prompt_is_whole": True,
            "similarity": pytest.approx(np.cos(np.radians(70)), abs=1e-3),
        }
    ]
    assert "fewer than 10 questions are new and of different sessions; all were taken" in out
    assert read_questions(file).prompts == ("a  sum",)


def test_the_numbers_of_a_sample(sample):
    """
    With --json they are one object; the two anchors are 20 degrees apart, which is the limit.
    """
    log = [asked(name, "a sum") for name in "abc"]
    log += [asked("d", "a law"), asked("e", "a tax"), asked("f", None)]
    log += [asked("g", "and then?") | {"prompt_is_whole": False}]

    code, out, err, file = sample(*log, n=1, flags=["--json"])

    assert code == 0, err
    assert json.loads(out) == {
        "n_read": 7,
        "n_with_text": 6,
        "n_truncated": 0,
        "n_distinct": 4,
        "n_known": 1,
        "n_out_of_distribution": None,
        "n_chosen": 1,
        "n_parts": 0,
        "n_redacted": None,
        "cosine_limit": pytest.approx(np.cos(np.radians(20)), abs=1e-3),
        "covered_before": pytest.approx(1 / 6),
        "covered_after": pytest.approx(4 / 6),
    }
    assert [row["prompt"] for row in rows_of(file)] == ["a sum"]


def test_the_same_log_gives_the_same_file(sample):
    """
    In whatever order its lines are.
    """
    log = [asked(name, text) for name, text in zip("abcdef", PLACES, strict=True)]

    *_, file = sample(*log)
    first = file.read_bytes()
    sample(*reversed(log))

    assert len(first.splitlines()) == 3
    assert file.read_bytes() == first


def test_a_truncated_log_is_read_to_its_end(sample, scope, bank, tmp_path):
    """
    As a replica leaves it that was killed.
    """
    path = write_log(tmp_path / "cut" / "decisions-r.00000001.jsonl", [asked("a", "a sum")])
    path.write_text(path.read_text() + '{"id": "b", "pro')
    flags = ("--decisions", path, "--bank", bank, "--output", tmp_path / "q.jsonl", "--json")

    code, out, _ = scope("bank", "sample", *flags)

    assert (code, json.loads(out)["n_truncated"]) == (0, 1)


@pytest.mark.parametrize(
    ("log", "output", "sentence"),
    [
        pytest.param([two_models("a")], "q.jsonl", "decisions: {prompts: true}", id="no texts"),
        pytest.param([asked("a", "x")], "q.csv", "expected a name that ends in .jsonl", id="name"),
        pytest.param([{"id": "a"}], "q.jsonl", "line 1 is not a logged decision", id="no log"),
    ],
)
def test_wrong_input_is_one_sentence(sample, log, output, sentence):
    """
    Exit code 2, and nothing is written.
    """
    code, _, err, file = sample(*log, output=output)

    assert (code, len(err.splitlines())) == (2, 1), err
    assert sentence in err
    assert not file.exists()


def test_a_folder_without_a_log_is_one_sentence(scope, tmp_path):
    """
    An endpoint without decisions.folder writes none.
    """
    code, _, err = scope(
        "bank", "sample", "--decisions", tmp_path, "--output", tmp_path / "q.jsonl"
    )

    assert (code, len(err.splitlines())) == (2, 1)
    assert "holds no decision log; expected files *.jsonl" in err


def test_a_sample_of_none_is_refused(sample):
    """
    Before anything is read.
    """
    code, _, err, file = sample(asked("a", "a sum"), n=0)

    assert (code, file.exists()) == (2, False)
    assert "'--n'" in err


def test_both_encoders_say_what_is_out_of_distribution(scope, checkpoint, monkeypatch, tmp_path):
    """
    Of a bank that predicts with both: the first sees anchors in both texts, the second in one.
    """
    texts, cache_folder = ["What is 1 plus 2?", "What is 3 plus 4?"], tmp_path / "cache"
    monkeypatch.setenv("SCOPE_CACHE", str(cache_folder))
    bank = second_kinds(60)
    first = EmbedderSpec(name=MINILM, revision=resolve_model(MINILM)[1], dimension=8)
    name, digest = str(checkpoint), resolve_model(str(checkpoint))[1]
    second = EmbedderSpec(name=name, revision=digest, dimension=6, layer=1)
    bank = replace(bank, embedder=first, features_af=np.repeat(text_features(texts[:1]), 60, 0))
    bank = replace(bank, second=replace(bank.second, embedder=second))
    bank, _ = fit_second_encoder(fit_bank(bank))
    save_bank_now(replace(bank, second_gain=USED), tmp_path / "bank", (), command="by hand")
    far = np.array([0, 0, 0, 0, 0, 1.0], dtype=np.float32)
    vectors = {
        (MINILM, None): bank.embedding_ad[[0, 0]],
        (name, 1): np.stack([bank.second.vector_ay[0], far]),
    }
    for (encoder, layer), vector_q in vectors.items():
        with open_embedding_cache(
            EncoderSpec(encoder, None, cache=cache_folder, layer=layer)
        ) as cache:
            cache.add(cache.keys(texts), vector_q)
    log = tmp_path / "log"
    write_log(log / "decisions-r.00000001.jsonl", [asked(text[8], text) for text in texts])

    code, out, err = scope(
        *("bank", "sample", "--decisions", log, "--bank", tmp_path / "bank"),
        *("--output", tmp_path / "q.jsonl", "--json"),
    )

    assert code == 0, err
    assert json.loads(out)["n_out_of_distribution"] == 1
