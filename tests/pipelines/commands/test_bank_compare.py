"""``scope bank compare``, as a user meets it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from scope import save_bank
from tests.factories.banks import two_kinds
from tests.pipelines.runs import check_error

pytestmark = pytest.mark.usefixtures("one_thread")


def moved(prefix, n_anchors, seed):
    """A bank of two kinds with other ids, its vectors a little elsewhere."""
    bank = two_kinds(n_anchors)
    noise = np.random.default_rng(seed).normal(0, 0.05, bank.embedding_ad.shape)
    vectors = bank.embedding_ad + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = tuple(f"{prefix}{name}" for name in bank.ids)
    return replace(bank, ids=ids, embedding_ad=vectors.astype(np.float32))


def spoiled(bank):
    """The bank with right and wrong exchanged: its forecasts are the wrong way round."""
    outcomes = replace(bank.outcomes, correct_am=1 - bank.outcomes.correct_am)
    return replace(bank, outcomes=outcomes)


@pytest.fixture
def folders(tmp_path):
    """Folders of a good bank, a spoiled one, and labelled questions."""
    good = moved("a", 80, seed=1)
    banks = {"good": good, "spoiled": spoiled(good), "questions": moved("q", 60, seed=2)}
    for name, bank in banks.items():
        save_bank(bank, tmp_path / name, created_at=f"2026-01-01 {name}", sources=())
    return tmp_path


@pytest.fixture
def compare(scope, folders):
    """Compare two of the folders; returns exit code, output and errors."""

    def run(old, new, *flags, questions="questions"):
        paths = (folders / old, folders / new)
        return scope("bank", "compare", *paths, "--questions", folders / questions, *flags)

    return run


def test_a_better_bank_may_replace_the_old_one(compare):
    """
    Exit code 0.
    """
    code, out, err = compare("spoiled", "good")

    assert code == 0, err
    assert "60 labelled questions × 2 models" in out
    assert "may replace the old one: routing is not shown to be worse" in " ".join(out.split())


def test_a_worse_bank_fails(compare):
    """
    Exit code 1, and why.
    """
    code, out, _ = compare("good", "spoiled")

    assert code == 1
    assert "should not replace the old one: gain_over_mixture is worse: -" in " ".join(out.split())


def test_differences_are_those_of_the_values(compare):
    """
    As JSON: new minus old, and the share of decisions that change.
    """
    _, out, _ = compare("spoiled", "good", "--json")

    facts = json.loads(out)
    assert facts["failures"] == []
    assert set(facts["changed_share"]) == {"0.2", "0.6", "0.9"}
    for metric in facts["metrics"]:
        if metric["difference"]["value"] is not None:
            expected = metric["new"]["value"] - metric["old"]["value"]
            assert metric["difference"]["value"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("limit", "code"),
    [("log_loss=0", 0), ("log_loss=-5", 1), ("auc=0.1", 0), ("auc=2", 1)],
)
def test_floors_bound_differences(compare, limit, code):
    """
    A floor from below, the ceiling of an error from above.
    """
    assert compare("spoiled", "good", "--floor", limit)[0] == code


def test_a_bank_is_no_rival_of_itself(compare):
    """
    Said, without a comparison.
    """
    code, out, _ = compare("good", "good")

    assert code == 0
    assert "are the same bank" in " ".join(out.split())


def test_a_question_that_is_an_anchor_is_refused(compare):
    """
    A grown bank may hold the labelled questions.
    """
    code, _, err = compare("spoiled", "good", questions="good")

    assert code == 2
    check_error(err, "is itself an anchor", "keep the two apart")


def test_banks_without_two_common_models_are_refused(compare, folders):
    """
    Nothing can be routed between one.
    """
    one = moved("a", 80, seed=1).select_models(("small",))
    save_bank(one, folders / "one", created_at="2026-01-01", sources=())

    code, _, err = compare("good", "one")

    assert code == 2
    check_error(err, "the banks have 1 models in common; a comparison of routing needs two")
