"""``scope bank grow`` as a user runs it; vectors come from the cache, so no Ray starts."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scope import load_bank, save_bank
from scope.bank import SecondEmbeddings, read_manifest
from scope.embedding import MINILM, EmbedderSpec, resolve_model
from scope.predictor import choose_forecast, fit_bank, predict_reference_population
from scope.predictor.fit import MIN_ANCHORS
from tests.factories.banks import bank_of, unit
from tests.factories.decision_logs import two_models, write_log

TEXTS = ("1 + 1?", "Name a river.", "Tell a joke.")


@pytest.fixture
def old(tmp_path, embedded):
    """Save a bank of MiniLM vectors, by default fitted and without texts; returns its folder."""
    embedded(*TEXTS)

    def save(*, fitted=True, prompts=None, name="old"):
        rng = np.random.default_rng(1)
        vectors = unit(rng.standard_normal((MIN_ANCHORS + 4, 384))).astype(np.float16)
        bank = bank_of(
            rng.random((len(vectors), 2)) < 0.5,
            embedding=vectors.astype(np.float32),
            prompts=prompts and tuple(f"{prompts} {n}" for n in range(len(vectors))),
        )
        spec = EmbedderSpec(name=MINILM, revision=resolve_model(MINILM, None)[1], dimension=384)
        bank = replace(bank, embedder=spec)
        if fitted:
            bank = choose_forecast(fit_bank(bank))
        else:
            bank = replace(bank, reference=predict_reference_population(bank, bank.anchor_config))
        save_bank(bank, tmp_path / name, created_at="2026-01-01", sources=("an exam",))
        return tmp_path / name

    return save


@pytest.fixture
def log(tmp_path):
    """Write a decision log with scores; returns its folder."""

    def write(requests, scores):
        folder = tmp_path / "log"
        write_log(folder / "decisions-r.00000001.jsonl", requests)
        lines = (json.dumps({"id": name, "score": score}) + "\n" for name, score in scores)
        (folder / "feedback-r.00000001.jsonl").write_text("".join(lines))
        return folder

    return write


def asked(name, text=TEXTS[0], model="small", **other):
    """A request of the endpoint, with its text."""
    return two_models(name, model, **{"prompt": text, **other})


REQUESTS = [asked("a"), asked("b"), asked("c", TEXTS[1], "large"), asked("d", TEXTS[2])]
SCORES = [("a", 1), ("b", 0), ("c", 0.25)]


def test_a_second_encoder_grows_along_and_is_judged_again(
    scope, old, log, embedded, checkpoint, tmp_path
):
    """
    It was never used; random vectors tell nothing of the models, so that it stays so.
    """
    embedded(*TEXTS, encoder=str(checkpoint), layer=1)
    folder = old(prompts="Question")
    bank, revision = load_bank(folder), resolve_model(str(checkpoint))[1]
    spec = EmbedderSpec(name=str(checkpoint), revision=revision, dimension=384, layer=1)
    vectors = np.roll(bank.embedding_ad, 1, axis=0)
    two = replace(bank, second=SecondEmbeddings(spec, vectors))
    save_bank(two, tmp_path / "two", created_at="2026-01-01", sources=())

    code, out, err = scope(
        *("bank", "grow", "--bank", tmp_path / "two", "--decisions", log(REQUESTS, SCORES)),
        *("--output", tmp_path / "new"),
    )

    assert code == 0, err
    grown = load_bank(tmp_path / "new")
    assert len(grown.second.vector_ay) == len(grown.ids) == len(bank.ids) + 2
    assert grown.second_gain is not None
    assert "The second encoder gains" in out


def test_a_fitted_bank_learns_from_scores(scope, old, log, tmp_path):
    """
    Two texts were scored, one of them twice; the new bank is fitted, as the old one was.
    """
    bank = old(prompts="Question")
    code, out, err = scope(
        "bank", "grow", "--decisions", log(REQUESTS, SCORES), "--bank", bank, "--output",
        tmp_path / "new",
    )  # fmt: skip

    assert code == 0, err
    assert "feedback of log: 2 new anchors, 2 new outcomes" in out
    assert "26 anchors × 2 models, fitted" in out
    new = load_bank(tmp_path / "new")
    assert new.prompts[-2:] == TEXTS[:2]
    np.testing.assert_equal(new.outcomes.correct_am[-2:], [[0.5, np.nan], [np.nan, 0.25]])
    assert new.forecaster is not None
    assert read_manifest(tmp_path / "new").sources == (
        "an exam",
        "feedback of log: 2 new anchors, 2 new outcomes",
    )


def test_what_the_scores_can_tell_is_printed(scope, old, log, tmp_path):
    """
    Of three answers of the small model two are scored, all at p .5; the mean score is .5.
    """
    flags = ("--decisions", log(REQUESTS, SCORES), "--bank", old(fitted=False))
    _, out, err = scope("bank", "grow", *flags, "--output", tmp_path / "new")

    words = [line.split() for line in out.splitlines()]
    assert ["small", "3", "2", "66.7", "%", "0.500", "0.500", "0.500", "1"] in words
    assert ["large", "1", "1", "100.0", "%", "unknown", "0.800", "0.250", "1"] in words
    assert "not fitted, as the bank was not" in out
    assert "tells of the model that answered only" in out
    assert "no question texts" in err


def test_a_program_gets_one_object(scope, old, log, tmp_path):
    """
    The manifest, what each source added, and the counts of each model.
    """
    flags = ("--decisions", log(REQUESTS, SCORES), "--bank", old(fitted=False), "--json")
    _, out, _ = scope("bank", "grow", *flags, "--output", tmp_path / "new")

    facts = json.loads(out)
    assert facts["n_questions"] == 26
    assert facts["grown_by"][0]["added"] == {"small": 1, "large": 1}
    assert facts["feedback"]["models"]["small"]["scored"] == 2


def test_measured_questions_and_scores_are_added_together(scope, old, log, tmp_path):
    """
    A text that was measured and scored keeps what was measured; the other model's score is new.
    """
    questions, measured = tmp_path / "q.jsonl", tmp_path / "measured"
    questions.write_text(json.dumps({"id": "q1", "prompt": TEXTS[0], "gt": "2"}) + "\n")
    measured.mkdir()
    row = {"question_id": "q1", "model": "small", "correct": 1.0}
    rows = [row | {"prompt_tokens": 9, "completion_tokens": 3}]
    rows.append(rows[0] | {"model": "unheard-of"})
    pq.write_table(pa.Table.from_pylist(rows), measured / "outcomes.parquet")

    code, out, err = scope(
        "bank", "grow", "--outcomes", measured, "--questions", questions, "--decisions",
        log([asked("a"), asked("b", model="large")], [("a", 0), ("b", 0.5)]),
        "--bank", old(fitted=False, prompts="Question"), "--output", tmp_path / "new",
    )  # fmt: skip

    assert code == 0, err
    assert "outcomes of measured: 1 new anchors, 1 new outcomes" in out
    assert "feedback of log: 0 new anchors, 1 new outcomes; 1 were known already" in out
    assert "1 outcomes of unheard-of, which the bank does not have, are left out" in err
    new = load_bank(tmp_path / "new")
    assert (new.ids[-1], new.gold_answers[-1]) == ("q1", "2")
    assert new.outcomes.correct_am[-1].tolist() == [1.0, 0.5]


def test_anchors_have_what_was_known_of_them(scope, old, log, tmp_path):
    """
    A bank of tenants: the log says that of one text, the question file that of the other.
    """
    bank = old(fitted=False)
    tenants = replace(load_bank(bank), fact="tenant")
    save_bank(tenants, tmp_path / "tenants", created_at="2026-01-01", sources=("an exam",))
    row = {"id": "q1", "prompt": TEXTS[1], "category": "geography", "tenant": "jones"}
    (tmp_path / "q.jsonl").write_text(json.dumps(row) + "\n")
    measured = {"question_id": "q1", "model": "small", "correct": 1.0, "prompt_tokens": 9}
    outcomes = pa.Table.from_pylist([measured | {"completion_tokens": 3}])
    pq.write_table(outcomes, tmp_path / "outcomes.parquet")

    folder = log([asked("a", known={"tenant": "smith"})], [("a", 1)])

    code, _, err = scope(
        "bank", "grow", "--outcomes", tmp_path / "outcomes.parquet", "--questions",
        tmp_path / "q.jsonl", "--decisions", folder,
        "--bank", tmp_path / "tenants", "--output", tmp_path / "new",
    )  # fmt: skip

    assert code == 0, err
    new = load_bank(tmp_path / "new")
    assert (new.fact, new.categories[-2:]) == ("tenant", ("jones", "smith"))


def test_the_same_log_twice_is_told(scope, old, log, tmp_path):
    """
    The second time there is nothing to add, and nothing is written.
    """
    folder = log(REQUESTS, SCORES)
    first = ("--bank", old(fitted=False), "--output", tmp_path / "once")
    again = ("--bank", tmp_path / "once", "--output", tmp_path / "twice")

    scope("bank", "grow", "--decisions", folder, *first)
    code, _, err = scope("bank", "grow", "--decisions", folder, *again)

    assert code == 2
    assert "knows all of these outcomes already; nothing to add" in err
    assert not (tmp_path / "twice").exists()


@pytest.mark.parametrize(
    ("requests", "scores", "sentence"),
    [
        pytest.param(REQUESTS, [], "has no feedback", id="no feedback"),
        pytest.param([asked("a", prompt=None)], [("a", 1)], "prompts: true", id="no texts"),
        pytest.param(REQUESTS, [("z", 1)], "the decision is not in the log", id="rotated away"),
        pytest.param(REQUESTS, [("a", 2)], "line 1 is not a logged score", id="out of range"),
        pytest.param(
            [asked("a", answered_by="new")],
            [("a", 1)],
            "none of the models with new outcomes: new; add a model by `scope bank add-model`",
            id="unknown model",
        ),
    ],
)
def test_a_log_that_teaches_nothing_writes_nothing(
    scope, old, log, tmp_path, requests, scores, sentence
):
    """
    One sentence, exit code 2.
    """
    flags = ("--decisions", log(requests, scores), "--bank", old(fitted=False))
    code, _, err = scope("bank", "grow", *flags, "--output", tmp_path / "new")

    assert code == 2
    assert sentence in err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        pytest.param((), "nothing to add: give the --decisions", id="no source"),
        pytest.param(("--outcomes", "m"), "--outcomes and --questions belong together", id="half"),
        pytest.param(("--decisions", "none"), "expected the folder of a decision log", id="no log"),
    ],
)
def test_flags_that_name_no_source(scope, tmp_path, flags, sentence):
    """
    Said before anything is read.
    """
    code, _, err = scope("bank", "grow", *flags, "--output", tmp_path / "new")

    assert code == 2
    assert sentence in err
