"""``scope bank add-model``, as a user meets it."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from scope import load_bank, save_bank
from scope.fusion.calibrated_reasoner import CalibratedReasoner
from scope.outcomes import Outcomes
from scope.predictor.reference_population import fit_bank
from tests.factories.banks import labelled_pair
from tests.factories.blends import SPEC, blend_of
from tests.upstream import running

PRICES = {"new": {"input": 1.0, "output": 2.0}, "small": {"input": 0.1, "output": 0.2}}


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A folder with a bank of two models fitted on forty anchors."""
    path = tmp_path_factory.mktemp("add") / "bank"
    fitted = fit_bank(labelled_pair()[0])
    save_bank(fitted, path, created_at="2026-01-01", sources=("by hand",))
    return path


@pytest.fixture
def files(bank, tmp_path):
    """Prices, and what the new model did on thirty anchors: the same as the large one."""
    loaded = load_bank(bank)
    correct_am = loaded.outcomes.correct_am[:, [1]].copy()
    correct_am[30:] = np.nan
    tokens_am = np.where(np.isnan(correct_am), np.nan, 100.0)
    outcomes = Outcomes(("new",), correct_am, tokens_am, tokens_am)
    pq.write_table(outcomes.to_table(loaded.ids), tmp_path / "outcomes.parquet")
    (tmp_path / "prices.json").write_text(json.dumps(PRICES))
    return tmp_path


@pytest.fixture
def add(scope, bank, files):
    """Run the command on that bank for the new model."""

    def run(*flags, model="new"):
        given = ("--bank", bank, "--model", model, "--prices", files / "prices.json")
        return scope("bank", "add-model", *given, *flags)

    return run


def test_a_plan_is_a_file_and_a_bill(add, bank, files):
    """
    Anchors of the bank in the order to ask them, each with its price, and their sum.
    """
    code, out, _ = add("--plan", files / "plan.json", "--max-anchors", 12)

    facts = json.loads((files / "plan.json").read_text())
    ids = [anchor["id"] for anchor in facts["anchors"]]
    loaded = load_bank(bank)
    assert code == 0
    assert (facts["model"], facts["bank_version"]) == ("new", loaded.version)
    assert len(ids) == 12
    assert set(ids) <= set(loaded.ids)
    prices = [anchor["cost_usd"] for anchor in facts["anchors"]]
    assert facts["expected_cost_usd"] == pytest.approx(sum(prices))
    assert "chose 12 anchors" in out
    assert "nothing was called" in out


def test_a_plan_is_shown_in_a_hundred_columns(add, files):
    """
    The title on one line, then a row for 10, 25 and all forty anchors.
    """
    code, out, _ = add("--plan", files / "plan.json", "--max-anchors", 40)

    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "Measuring new: expected bill and precision"
    assert lines[1].split() == ["anchors", "expected", "bill", "p(correct),", "90", "%", "interval"]
    assert [line.split()[0] for line in lines[2:5]] == ["10", "25", "40"]
    assert all("$0.0" in line and "± 0." in line for line in lines[2:5])
    assert max(map(len, lines[:5])) <= 100


def test_a_plan_says_where_the_texts_are(add, bank, files):
    """
    In the file that is named: its anchors alone are chosen.
    """
    ids = load_bank(bank).ids[5:20]
    lines = [json.dumps({"id": anchor, "prompt": "?"}) for anchor in ids]
    (files / "texts.jsonl").write_text("\n".join(lines))

    code, out, _ = add(
        "--plan", files / "plan.json", "--max-anchors", 12, "--questions", files / "texts.jsonl"
    )

    facts = json.loads((files / "plan.json").read_text())
    assert code == 0
    assert f"chosen among the 15 of 40 anchors whose texts are in {files}" in out
    assert facts["texts"] == str(files / "texts.jsonl")
    assert facts["price"] == {"usd_per_mtok_in": 1.0, "usd_per_mtok_out": 2.0}
    assert {anchor["id"] for anchor in facts["anchors"]} < set(ids)


def test_a_bank_with_texts_is_where_the_texts_are(scope, bank, files):
    """
    All of its anchors can be chosen.
    """
    loaded = load_bank(bank)
    with_texts = replace(loaded, prompts=tuple(f"{anchor}?" for anchor in loaded.ids))
    save_bank(with_texts, files / "texts", created_at="2026-01-01", sources=())
    given = ("--bank", files / "texts", "--model", "new", "--prices", files / "prices.json")

    code, out, _ = scope(
        "bank", "add-model", *given, "--plan", files / "plan.json", "--max-anchors", 40
    )

    facts = json.loads((files / "plan.json").read_text())
    assert code == 0
    assert "whose texts" not in out
    assert facts["texts"] == str(files / "texts")
    assert len(facts["anchors"]) == 40


def test_without_any_text_all_anchors_are_planned(add, files):
    """
    And a line says that the texts are to be named later.
    """
    code, out, _ = add("--plan", files / "plan.json", "--max-anchors", 40)

    assert code == 0
    assert "the bank keeps no texts: name a file that has them to scope measure" in out
    assert len(json.loads((files / "plan.json").read_text())["anchors"]) == 40


@pytest.mark.filterwarnings("always")
def test_a_model_without_a_price_file_has_its_list_price(scope, bank, files):
    """
    Which is printed; another flag sets another.
    """
    code, _, err = scope(
        *("bank", "add-model", "--bank", bank, "--model", "gpt-4o-mini"),
        *("--plan", files / "plan.json", "--max-anchors", 12),
    )

    assert code == 0
    assert "model 'gpt-4o-mini' has its list price, $0.15 / $0.6 for a million tokens" in err
    facts = json.loads((files / "plan.json").read_text())
    assert facts["price"]["usd_per_mtok_out"] == 0.6


def test_a_plan_as_json_is_the_file(add, files):
    """
    One object on one line: what was written, and where.
    """
    code, out, _ = add("--plan", files / "plan.json", "--budget-usd", 0.01, "--json")

    facts = json.loads(out)
    written = json.loads((files / "plan.json").read_text())
    assert code == 0
    assert facts == {**written, "output": str(files / "plan.json")}
    assert facts["expected_cost_usd"] <= 0.01


def test_a_plan_replaces_the_last(add, files):
    """
    A file, as `scope route` writes: only folders are kept from being overwritten.
    """
    (files / "plan.json").write_text("old")

    code, _, _ = add("--plan", files / "plan.json", "--max-anchors", 12)

    assert code == 0
    assert json.loads((files / "plan.json").read_text())["model"] == "new"


def test_a_plan_that_cannot_be_made_leaves_the_last(add, files):
    """
    Exit 2, one sentence, and the file as it was.
    """
    (files / "plan.json").write_text("old")

    code, _, err = add("--plan", files / "plan.json", "--budget-usd", 1e-9)

    assert code == 2
    assert err == ("scope: 0 anchors within the limits for 'new'; at least 10 are needed\n")
    assert (files / "plan.json").read_text() == "old"


def test_a_model_is_added(add, scope, bank, files):
    """
    A new bank, whole, which lists one more model; the old one is as it was.
    """
    before = (bank / "manifest.json").read_bytes()

    code, out, _ = add("--outcomes", files / "outcomes.parquet", "--output", files / "grown")

    grown = load_bank(files / "grown")
    assert code == 0
    assert "3 models, new from 30 anchors" in out
    assert grown.model_ids == ("small", "large", "new")
    assert grown.models[-1].usd_per_mtok_out == 2.0
    assert scope("bank", "verify", "--bank", files / "grown")[0] == 0
    code, out, _ = scope("bank", "info", "--bank", files / "grown")
    assert code == 0
    assert "$1 / $2" in out
    assert "source: new: outcomes.parquet" in out
    assert (bank / "manifest.json").read_bytes() == before


def test_the_folder_of_a_measurement_is_as_good_as_its_file(add, files):
    """
    `scope measure --output DIR` writes the outcomes there.
    """
    (files / "measured").mkdir()
    (files / "outcomes.parquet").rename(files / "measured" / "outcomes.parquet")

    code, out, _ = add("--outcomes", files / "measured", "--output", files / "grown")

    assert code == 0
    assert "3 models, new from 30 anchors" in out


@pytest.mark.parametrize("form", ["model", "pool"])
def test_a_reasoner_of_the_bank_stays_and_knows_nothing_of_the_new_model(
    scope, bank, files, tmp_path, form
):
    """
    Its weight is kept; a line says what to do to query about the new model, and whether it is
    now in the prompts about the others.
    """
    spec = SPEC.model_copy(update={"form": form})
    fitted = CalibratedReasoner(spec, blend_of(2, weight=0.5))
    known = replace(load_bank(bank), reasoner=fitted)
    save_bank(known, tmp_path / "known", created_at="2026-01-01", sources=())
    given = ("--bank", tmp_path / "known", "--model", "new", "--prices", files / "prices.json")
    task = ("--outcomes", files / "outcomes.parquet", "--output", files / "grown")

    code, out, _ = scope("bank", "add-model", *given, *task)

    blend = load_bank(files / "grown").reasoner.blend
    assert code == 0
    assert "the reasoner was never queried about new" in out
    assert ("list the new model" in out) == (form == "pool")
    assert blend.weight == 0.5
    assert blend.informative_m.tolist() == [True, True, False]


def test_a_grown_bank_is_described_as_json(add, files):
    """
    Its manifest: 40 anchors of two models, 30 of the third.
    """
    flags = ("--outcomes", files / "outcomes.parquet", "--output", files / "grown")
    code, out, _ = add(*flags, "--json")

    manifest = json.loads(out)
    assert code == 0
    assert (manifest["n_models"], manifest["n_outcomes"]) == (3, 110)
    assert manifest["sources"] == ["by hand", "new: outcomes.parquet"]


def test_limits_hold_for_outcomes_too(add, files):
    """
    Thirty are known, twelve are used.
    """
    flags = ("--outcomes", files / "outcomes.parquet", "--output", files / "grown")
    code, out, _ = add(*flags, "--max-anchors", 12)

    assert code == 0
    assert "new from 12 anchors" in out


def test_an_existing_bank_is_never_touched(add, files):
    """
    Exit 2, and what lies there stays.
    """
    (files / "grown").mkdir()
    (files / "grown" / "mine").write_text("x")

    code, _, err = add("--outcomes", files / "outcomes.parquet", "--output", files / "grown")

    assert code == 2
    assert "grown exists; choose another folder or remove it first" in err
    assert [file.name for file in (files / "grown").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param("", "give --plan FILE to choose anchors, or --outcomes", id="neither"),
        pytest.param(
            "--plan P --max-anchors 12 --outcomes O --output G", "give --plan FILE", id="both"
        ),
        pytest.param("--plan P", "--plan needs --max-anchors, --budget-usd", id="no limit"),
        pytest.param("--plan P --max-anchors 12 --output G", "--output belongs to", id="--output"),
        pytest.param("--outcomes O", "--output is missing; expected a folder", id="no output"),
        pytest.param("--plan P --budget-usd -1", "--budget-usd is -1; expected", id="budget"),
        pytest.param("--plan P --budget-usd 0", "--budget-usd is 0; expected", id="no budget"),
        pytest.param("--plan P --budget-usd nan", "--budget-usd is nan; expected", id="NaN"),
        pytest.param("--plan P --half-width 1", "--half-width is 1; expected 0", id="half-width"),
        pytest.param("--plan P --half-width -0.1", "--half-width is -0.1;", id="below 0"),
        pytest.param("--plan P --max-anchors 9", "9 anchors within the limits", id="nine anchors"),
        pytest.param("--outcomes X --output G", "X cannot be read", id="no such outcomes"),
        pytest.param("--outcomes P --output G", "P cannot be read", id="no Parquet"),
        pytest.param("--outcomes . --output G", ". has no outcomes.parquet", id="no measurement"),
        pytest.param(
            "--plan P --max-anchors 12 --questions Q.jsonl",
            "Q.jsonl has the texts of 1 anchors of",
            id="one text",
        ),
        pytest.param(
            "--outcomes O --output G --questions Q.jsonl",
            "--questions belongs to",
            id="--questions",
        ),
    ],
)
def test_a_wrong_call_gets_one_sentence(add, files, monkeypatch, flags, message):
    """
    Exit 2, and neither plan nor bank is written; X is no file, P no Parquet.
    """
    monkeypatch.chdir(files)
    (files / "P").write_text("old")
    (files / "O").write_bytes((files / "outcomes.parquet").read_bytes())
    (files / "outcomes.parquet").unlink()
    (files / "Q.jsonl").write_text('{"id": "a0", "prompt": "?"}')

    code, _, err = add(*flags.split())

    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (files / "G").exists()
    assert (files / "P").read_text() == "old"


@pytest.mark.parametrize(
    ("above", "factor"), [pytest.param(1, 5, id="above"), pytest.param(10**6, 1, id="below")]
)
@pytest.mark.parametrize("model", ["new", "new@3"])
def test_a_plan_counts_the_tier_of_each_prompt(add, files, above, factor, model):
    """
    A prompt above the limit costs five times as much, and so does its answer.
    """
    bills = []
    for tiers in ([], [{"above": above, "input": 5.0, "output": 10.0}]):
        prices = {"new": {**PRICES["new"], "tiers": tiers}}
        (files / "prices.json").write_text(json.dumps(prices))
        add("--plan", files / "plan.json", "--max-anchors", 12, model=model)
        bills.append(json.loads((files / "plan.json").read_text())["expected_cost_usd"])

    assert bills[1] == pytest.approx(factor * bills[0])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        pytest.param("gpt-9", "model 'gpt-9' has no price in", id="no price"),
        pytest.param("small", "has no outcome of 'small'", id="no outcome"),
    ],
)
def test_a_model_of_which_nothing_is_known_is_refused(add, files, model, message):
    """
    Its price and its outcomes must be given.
    """
    flags = ("--outcomes", files / "outcomes.parquet", "--output", files / "grown")
    code, _, err = add(*flags, model=model)

    assert code == 2
    assert message in err
    assert not (files / "grown").exists()


def test_a_known_model_is_not_planned_again(add, files):
    """
    Its outcomes are in the bank.
    """
    code, _, err = add("--plan", files / "plan.json", "--max-anchors", 12, model="small")

    assert code == 2
    assert "model 'small' is in the bank already" in err
    assert not (files / "plan.json").exists()


def test_a_model_of_today_joins_the_embedded_bank(scope, tmp_path, monkeypatch):
    """
    From an empty folder: plan, measure, add; questions and bank come with the package.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-0123")
    (tmp_path / "prices.json").write_text(json.dumps(PRICES))
    new = ("bank", "add-model", "--model", "new", "--prices", "prices.json")

    with running() as upstream:
        planned = scope(*new, "--max-anchors", 12, "--plan", "plan.json")
        measured = scope(
            *("measure", "--plan", "plan.json", "--output", "m", "--base-url", upstream.base_url)
        )
    added = scope(*new, "--outcomes", "m", "--output", "bank")

    assert [code for code, _, _ in (planned, measured, added)] == [0, 0, 0]
    assert "among the 416 of 6,993 anchors whose texts the package ships" in planned[1]
    assert "12 calls to make" in measured[1]
    assert "built bank: 18 models, new from 12 anchors" in added[1]
