"""``scope replay`` over the decision log of an endpoint."""

import json
from dataclasses import replace

import pytest

from deployments.gateway.request_context import LoggedText, RequestContext
from deployments.protocol.messages import PredictionRequest
from deployments.replicas.predictor import Predictor
from deployments.routing.chooser import PolicyChooser
from deployments.telemetry.decision_log import DecisionLog, LogSettings
from scope import load_bank, save_bank
from scope.predictor.reference_population import predict_reference_population
from scope.routing.route import Objective
from tests.factories.banks import LARGE, MIDDLE, SMALL, bank_of, labelled_pair
from tests.factories.decision_logs import candidate, named_by_client, request, two_models, write_log


def saved(bank, path):
    """Save a bank; returns the path."""
    save_bank(bank, path, created_at="2026-01-01", sources=())
    return path


@pytest.fixture
def replay(scope, tmp_path):
    """Replay requests, or what is in the folder already, with the flags given."""
    bank = saved(bank_of([[1, 1], [0, 1]]), tmp_path / "bank")

    def run(*flags, requests=None):
        if requests:
            write_log(tmp_path / "log" / "decisions-r.00000001.jsonl", requests)
        return scope("replay", "--decisions", tmp_path / "log", "--bank", bank, *flags)

    return run


def test_another_policy_is_compared_with_what_was_decided(replay):
    """
    Two requests at p .5 and $1 each; at least .8 takes the large model for $2 each.
    """
    _, out, _ = replay("--min-quality", 0.8, "--json", requests=[two_models("a"), two_models("b")])

    answer = json.loads(out)
    before, after = (side["planned"] for side in answer["sides"])
    assert (before["accuracy"], before["cost_usd"]) == (0.5, 2.0)
    assert (after["accuracy"], after["cost_usd"]) == (0.8, 4.0)
    assert (answer["n_changed"], answer["n_questions"]) == (2, 2)
    gaps = {"n_skipped": 0, "n_truncated": 0}
    assert answer.items() >= {"real_cost_usd": 0.5, "n_with_cost": 2, **gaps}.items()


def test_a_person_reads_the_bill_and_the_gaps(replay, tmp_path):
    """
    One cost is not known, one client named its model, and a kill tore a line.
    """
    requests = [two_models("a"), two_models("b", real_cost_usd=None), named_by_client("c", "small")]
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "torn.jsonl").write_text('{"id": "to')
    _, out, _ = replay("--min-quality", 0.8, requests=requests)

    assert "2 questions, now with min_quality 0.8" in out
    assert "expected accuracy +30.0 points, cost +$2; 2 of 2 decisions change" in out
    assert "real cost as logged: $0.25 for 1 of 2 requests; the others are unknown" in out
    assert "left out: 1 requests for which no policy chose" in out
    assert "skipped: 1 truncated lines" in out


def test_a_model_that_a_request_ruled_out_stays_out(replay):
    """
    However good it is: only the second request may go to the large one.
    """
    requests = [request("a", "small", [candidate("small", 0.5, 1.0)]), two_models("b")]
    _, out, _ = replay("--min-quality", 0.8, "--json", requests=requests)

    assert json.loads(out)["n_changed"] == 1


def test_a_request_that_loses_its_last_model_is_told(replay):
    """
    Else a bill without it would look like a saving.
    """
    requests = [request("a", "small", [candidate("small", 0.5, 1.0)]), two_models("b")]
    _, out, _ = replay("--min-quality", 0.8, "--deny", "small", requests=requests)

    assert "1 have no model left; the last line leaves them out" in out


ALLOWED = [(SMALL, MIDDLE, LARGE), (SMALL, MIDDLE), (MIDDLE, LARGE)]
"""Models left by the lists of three clients, who take turns."""


def decided(folder, alpha):
    """Forty decisions on the bank in `folder` by the endpoint's own classes."""
    bank = load_bank(folder / "bank")
    _, questions = labelled_pair(models=bank.models)
    call = PredictionRequest(bank.version, questions.embedding_ad, questions.features_af)
    (predictions,) = Predictor(str(folder / "bank")).predict([call])
    chooser = PolicyChooser(bank)
    return [
        chooser.choose([one], ALLOWED[n % 3], Objective(alpha=alpha))[0]
        for n, one in enumerate(predictions)
    ]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """A bank, and the log of what an endpoint decided on it at alpha .9."""
    folder = tmp_path_factory.mktemp("endpoint")
    bank, questions = labelled_pair(models=(SMALL, MIDDLE, LARGE))
    bank = replace(bank, reference=predict_reference_population(bank, bank.anchor_config))
    saved(bank, folder / "bank")
    log = DecisionLog(LogSettings(folder=str(folder / "log"), max_file_mib=0.02), "Router#1")
    exchange = RequestContext("route", "anyone", None, lambda _: None, {})
    exchange.record_decisions(decided(folder, 0.9), [LoggedText(text) for text in questions.ids])
    for record in exchange.log_records(load_bank(folder / "bank").version):
        log.write(record)
    log.close()
    return folder


def test_nothing_asked_changes_nothing(scope, endpoint):
    """
    What the endpoint decides is decided again to the last request, lists and dials included.
    """
    flags = ["--bank", endpoint / "bank", "--json"]
    _, out, _ = scope("replay", "--decisions", endpoint / "log", *flags)

    answer = json.loads(out)
    assert (answer["n_changed"], answer["n_questions"]) == (0, 40)
    assert answer["sides"][0]["planned"] == answer["sides"][1]["planned"]
    assert len(list((endpoint / "log").iterdir())) > 1


def test_another_alpha_changes_what_the_endpoint_would_change(scope, endpoint, tmp_path):
    """
    Deciding by replay is deciding by the endpoint.
    """
    expected = [decision.model for decision in decided(endpoint, 1.0)]
    output = tmp_path / "replayed.json"
    flags = ["--bank", endpoint / "bank", "--alpha", 1, "--output", output]
    _, out, err = scope("replay", "--decisions", endpoint / "log", *flags)

    routing = json.loads(output.read_text())["result"]
    assert [one["selected_model"] for one in routing["routing_decisions"]] == expected
    assert "40 questions, now with alpha 1" in out
    assert "15 of 40 decisions change" in out
    assert err == ""


def test_requests_that_asked_for_different_things_need_a_target(replay):
    """
    One of them would be wrong for the others.
    """
    requests = [two_models("a"), two_models("b", settings={"min_quality": 0.5})]
    code, _, err = replay(requests=requests)

    assert code == 2
    assert "the logged requests have 2 different objectives; name one for the replay" in err


def test_another_bank_is_told(replay):
    """
    Estimates are those of the log, but prices and the alpha scale are not.
    """
    requests = [two_models("a", bank="0123456789abcdef"), two_models("b")]
    code, _, err = replay("--min-quality", 0.8, requests=requests)

    assert code == 0
    assert "note: decided with bank 0123456789ab; prices and the alpha scale are now" in err


def test_other_prices_than_the_banks_are_told(scope, endpoint, tmp_path):
    """
    The endpoint's own are passed with --prices; the alpha scale would use the bank's.
    """
    (path, *_) = sorted((endpoint / "log").iterdir())
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for one in records:
        for offered in one["candidates"]:
            offered["cost_usd"] *= 2 if offered["model"] == "large" else 1
    log = write_log(tmp_path / "log.jsonl", records)
    _, _, err = scope("replay", "--decisions", log, "--bank", endpoint / "bank")

    assert "note: the costs of large were logged at other prices than the bank's" in err


def test_the_two_kinds_of_log_are_kept_apart(scope):
    """
    Each wrong set of flags gets its sentence.
    """
    wrong = {
        (): "--routing and --predictions missing; replay needs",
        ("--routing", "r"): "--predictions missing; replay needs",
        ("--decisions", "d", "--routing", "r"): "--decisions excludes --routing",
        ("--routing", "r", "--predictions", "p", "--bank", "b"): "--bank goes with --decisions",
    }
    for flags, sentence in wrong.items():
        code, _, err = scope("replay", *flags)
        assert code == 2
        assert sentence in err
