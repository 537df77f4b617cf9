"""The steps of a rollout, before a server that answers as a cluster does."""

import json

import pytest

from deployments.operate.cluster_client import ClusterClient
from deployments.operate.journal import RolloutJournal
from deployments.operate.rollout import BankRollout, measure_baseline
from deployments.operate.service_state import ServiceState
from deployments.operate.status_reader import StatusReader
from tests.deployments.operate.dashboard import TOKEN, answering
from tests.deployments.operate.test_journal import record_of
from tests.deployments.operate.test_service_state import details_of

SERVE = "/api/serve/applications/"
VERSIONS = {"/old": "0", "/new": "1"}


class ClusterOfOne:
    """A cluster with one replica, which is replaced at once when another bank is deployed.

    `lost` are banks whose replicas do not start.
    """

    def __init__(self, answers, lost=()):
        self.answers, self.lost, self.banks, self.n = answers, lost, [], 0
        answers["PUT"] = self.deploy
        answers["/api/prometheus/sd"] = 200, []
        self._show("/old", "RUNNING")

    def deploy(self, config):
        """Take what was put."""
        bank = config["applications"][0]["args"]["bank"]
        self.banks.append(bank)
        self._show(bank, "DEPLOY_FAILED" if bank in self.lost else "RUNNING")

    def _show(self, bank, state):
        self.n += 1
        details = details_of(args={"bank": bank}, status=state)
        application = details["applications"]["scope"]
        application["message"] = "" if state == "RUNNING" else "no such encoder"
        replica = {"replica_id": f"r{self.n}", "state": "RUNNING"}
        application["deployments"] = {
            "Router": {"status": "HEALTHY", "target_num_replicas": 1, "replicas": [replica]}
        }
        self.answers[SERVE] = 200, details
        self.answers["/ready"] = 200, {"status": "ready", "bank": VERSIONS[bank]}


@pytest.fixture
def site():
    with answering() as (url, answers), ClusterClient(url, TOKEN) as client:
        yield url, answers, client


@pytest.fixture
def begin(site, tmp_path):
    """Prepare a rollout from /old to /new; returns it with what it says."""
    url, answers, client = site

    def prepare(**changes):
        reader = StatusReader(client, endpoint=url)
        service = ServiceState.from_details(answers[SERVE][1], url)
        record = record_of(
            dashboard=url,
            previous=service.serve_config(),
            old_replicas=tuple(service.replica_ids),
            **changes,
        )
        terms = record.terms.model_copy(
            update={
                "watch_s": 0.0,
                "start_s": 3.0,
                "config": str(tmp_path / "serve_config.yaml"),
            }
        )
        record = record.model_copy(update={"terms": terms})
        said = []
        rollout = BankRollout(
            client, reader, RolloutJournal(tmp_path / "rollouts"), record, said.append
        )
        return rollout, said

    text = "applications:\n- {name: scope, import_path: 'deployments.app:build_app', args: {}}\n"
    (tmp_path / "serve_config.yaml").write_text(text)
    return prepare


def journal_of(folder):
    (path,) = (folder / "rollouts").glob("*.json")
    return json.loads(path.read_text())


def test_a_bank_that_answers_is_put_in_force_and_written_down(site, begin, tmp_path):
    """
    One deployment; the file has the bank, the journal has the end.
    """
    cluster = ClusterOfOne(site[1])
    rollout, said = begin()

    assert rollout.roll() is None

    assert cluster.banks == ["/new"]
    assert "bank: /new" in (tmp_path / "serve_config.yaml").read_text()
    assert journal_of(tmp_path)["phase"] == "done"
    assert any("all replicas run the new bank" in line for line in said)


def test_a_bank_whose_replicas_fail_is_rolled_back(site, begin, tmp_path):
    """
    With the reason that Serve gives; the file stays as it is.
    """
    cluster = ClusterOfOne(site[1], lost={"/new"})
    rollout, _ = begin()

    why = rollout.roll()

    assert why == "the application is DEPLOY_FAILED: no such encoder"
    assert cluster.banks == ["/new", "/old"]
    assert "/new" not in (tmp_path / "serve_config.yaml").read_text()
    assert journal_of(tmp_path) == {**journal_of(tmp_path), "phase": "rolled back", "why": why}


def test_a_bank_that_does_not_answer_in_time_is_rolled_back(site, begin, monkeypatch):
    """
    Serve is content, but /ready names the old bank: the new one has 3 s.
    """
    cluster = ClusterOfOne(site[1])
    monkeypatch.setitem(VERSIONS, "/new", "0")
    rollout, _ = begin()

    why = rollout.roll()

    assert why == "not ready after 3 s: the endpoint does not say that it is ready"
    assert cluster.banks == ["/new", "/old"]


def test_a_rollout_that_was_killed_while_it_went_back_goes_on_back(site, begin):
    """
    Not forward: it knew why.
    """
    cluster = ClusterOfOne(site[1])
    rollout, _ = begin(phase="rolling back", why="it was slow")

    assert rollout.resume() == "it was slow"
    assert cluster.banks == ["/old"]


def test_a_rollout_that_was_killed_before_it_wrote_the_file_only_writes_it(site, begin, tmp_path):
    """
    The new bank was watched already.
    """
    cluster = ClusterOfOne(site[1])
    rollout, _ = begin(phase="writing")

    assert rollout.resume() is None
    assert cluster.banks == []
    assert "bank: /new" in (tmp_path / "serve_config.yaml").read_text()


def test_a_quiet_endpoint_is_measured_by_all_that_it_has_counted(site):
    """
    No decision in the interval, 30 since the start; half below 10 ms, all below 20 ms.
    """
    url, answers, client = site
    answers["/api/prometheus/sd"] = 200, [{"targets": [url.removeprefix("http://")]}]
    answers["/metrics"] = (
        200,
        'ray_scope_requests_total{endpoint="route",status="200"} 30\n'
        'ray_scope_decisions_total{degraded="none"} 27\n'
        'ray_scope_decisions_total{degraded="predictor late"} 3\n'
        'ray_scope_overhead_latency_ms_bucket{le="10.0"} 15\n'
        'ray_scope_overhead_latency_ms_bucket{le="20.0"} 30\n'
        'ray_scope_overhead_latency_ms_bucket{le="+Inf"} 30\n',
    )
    reader = StatusReader(client, endpoint=url)
    before = reader.scrape()

    baseline = measure_baseline(reader, before, 0.01)

    assert (baseline.n_requests, baseline.degraded_share, baseline.p95_ms) == (30, 0.1, 19.0)
