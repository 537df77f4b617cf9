"""``scope.metadata``: what a caller knows of a question replaces a guess."""

import hashlib

import pytest

from scope import AnchorPredictor
from scope.predictor.reference_population import fit_bank
from tests.deployments.local import Site
from tests.factories.banks import two_kinds

PROMPT = "a sum"
KEYS = [
    {
        "name": "lawyers",
        "sha256": hashlib.sha256(b"key").hexdigest(),
        "metadata": {"category": "law", "tenant": "smith"},
    },
    {"name": "others", "sha256": hashlib.sha256(b"other").hexdigest()},
]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, fit_bank(two_kinds()))


def ask(client, metadata=None, *, key=None):
    """The decision about `PROMPT`."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = {"prompt": PROMPT, "scope": {} if metadata is None else {"metadata": metadata}}
    answer = client.post("/v1/route", json=body, headers=headers)
    assert answer.status_code == 200, answer.json()
    return answer.json()


def p_correct(decision):
    return {c["model"]: c["p_correct"] for c in decision["candidates"]}


def test_a_known_category_moves_the_forecast_as_in_a_batch(site):
    """
    The small model is right on one of ten questions of law; offline it is the same number.
    """
    with site.open() as client:
        guessed, known = ask(client), ask(client, {"category": "law"})

    embedded = site.embedder.answer([PROMPT])
    offline, _ = AnchorPredictor(site.bank).predict(
        embedded.embedding_qd, embedded.features_qf, known_facts=["law"]
    )
    assert (guessed["known"], known["known"]) == ({}, {"category": "law"})
    assert p_correct(known)["small"] < p_correct(guessed)["small"] - 0.1
    assert p_correct(known)["small"] == offline.p_correct_qm[0, 0]


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"category": "chess"}, id="an unknown value"),
        pytest.param({"category": ""}, id="no value"),
        pytest.param({"tenant": "law"}, id="another fact"),
        pytest.param(None, id="nothing"),
    ],
)
def test_what_the_bank_has_not_learned_falls_back_to_the_guess(site, metadata):
    """
    It is no error: one client may send the same facts to banks of several kinds.
    """
    with site.open() as client:
        guessed, got = ask(client), ask(client, metadata)

    assert got["known"] == {}
    assert p_correct(got) == p_correct(guessed)


def test_the_cache_tells_facts_apart(site):
    """
    The same prompt with another category is another prediction; the same is cached.
    """
    with site.open() as client:
        first, other, again = (ask(client, {"category": c}) for c in ("law", "maths", "law"))

    assert (other["source"], again["source"]) == ("anchors", "cache")
    assert p_correct(first) == p_correct(again) != p_correct(other)
    assert again["known"] == {"category": "law"}


def test_a_key_has_defaults_which_a_request_replaces(site):
    """
    By name: what the request does not say is taken from the key.
    """
    with site.open(access={"keys": KEYS}) as client:
        by_key = ask(client, key="key")
        by_request = ask(client, {"category": "maths"}, key="key")
        without = ask(client, key="other")

    assert by_key["known"] == {"category": "law"}
    assert by_request["known"] == {"category": "maths"}
    assert without["known"] == {}


def test_metadata_opens_no_model(site):
    """
    It is read as a fact of the question only, even if its names are those of other options.
    """
    with site.open() as client:
        body = {"allowed_models": ["large"], "metadata": {"allowed_models": "*", "key": "admin"}}
        decision = client.post("/v1/route", json={"prompt": PROMPT, "scope": body}).json()

    assert [c["model"] for c in decision["candidates"]] == ["large"]


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        pytest.param({"category": 7}, "scope.metadata.category", id="a number"),
        pytest.param({"category": None}, "scope.metadata.category", id="null"),
        pytest.param(["law"], "scope.metadata", id="a list"),
        pytest.param({str(n): "x" for n in range(17)}, "scope.metadata", id="too many"),
        pytest.param({"category": "x" * 513}, "scope.metadata.category", id="too long"),
        pytest.param({"": "x"}, "scope.metadata: in a name, expected at least 1", id="no name"),
        pytest.param({"x" * 65: "x"}, "scope.metadata: in a name, expected", id="a long name"),
    ],
)
def test_wrong_metadata_gets_one_sentence(site, metadata, field):
    """
    400, and the sentence begins with the field.
    """
    with site.open() as client:
        body = {"prompt": PROMPT, "scope": {"metadata": metadata}}
        answer = client.post("/v1/route", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(field)
