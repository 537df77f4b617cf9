"""What a bank has learned of a fact of its questions."""

from dataclasses import replace

import pytest

from scope import load_bank, save_bank
from scope.errors import ConfigError
from scope.predictor.reference_population import fit_bank
from tests.factories.banks import two_kinds


def fitted(names, fact="category"):
    """A fitted bank of sixty questions with these values of a fact."""
    return replace(fit_bank(replace(two_kinds(), categories=tuple(names))), fact=fact)


def test_values_of_twenty_anchors_are_learned():
    """
    Those of fewer share one mean, which says nothing of any of them; no value is no fact.
    """
    bank = fitted(["law"] * 20 + ["chess"] * 19 + [""] * 21)

    assert list(bank.fact_values) == ["law"]


def test_a_bank_that_was_not_fitted_has_learned_nothing():
    """
    It has no means of categories.
    """
    assert two_kinds().fact_values == {}


def test_the_name_of_the_fact_is_stored(tmp_path):
    """
    Categories may be tenants.
    """
    bank = fitted(["smith"] * 30 + ["jones"] * 30, fact="tenant")

    save_bank(bank, tmp_path / "bank", created_at="2026-01-01", sources=())

    loaded = load_bank(tmp_path / "bank")
    assert (loaded.fact, dict(loaded.fact_values)) == ("tenant", dict(bank.fact_values))


def test_facts_of_which_none_is_learned_are_refused():
    """
    The sentence names the source and what the bank has learned.
    """
    bank = fitted(["law"] * 30 + ["maths"] * 30)

    assert bank.learned_facts(("chess", "law"), "questions.csv") == ("chess", "law")
    with pytest.raises(ConfigError, match=r"questions\.csv has no question whose category.*law"):
        bank.learned_facts(("chess", ""), "questions.csv")
