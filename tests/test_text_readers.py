"""Every text file that a user writes may begin with a byte-order mark."""

import ast
import codecs
import hashlib
import json

import pytest
import yaml

from deployments.checks import read_config
from deployments.editing import edit_config, read_source
from deployments.operate.cluster_client import cluster_token
from deployments.planning.cost import ComputePrices
from deployments.settings.access import Keyring
from deployments.settings.settings import Access
from pipelines.config import JobConfig
from scope.pool import load_pool
from scope.prices import load_prices
from scope.questions import read_questions
from scope.reasoner.template import DEFAULT_TEMPLATE, Template
from scope.routing.log_records import DecisionLogReader
from scope.samples import read_samples
from scope.storage import read_json
from tests.factories.decision_logs import candidate, request
from tests.test_layering import ROOT, TREES

ASKED = '{"id": "q1", "prompt": "1 + 1?", "gold": "2"}'
CONFIG = """\
applications:
- name: scope
  import_path: deployments.app:build_app
  args: {bank: old}
"""


def prices(path):
    return load_prices(path)["m"].usd_per_mtok_in


def keys(path):
    return [key.name for key in Keyring.from_access(Access(key_file=str(path))).keys]


def decisions(path):
    return [line.id for _, line in DecisionLogReader(path)]


def edited(path):
    text = edit_config(read_source(path), {("args", "bank"): "new"}, str(path))
    return yaml.safe_load(text)["applications"][0]["args"]["bank"]


READERS = {
    "pool.txt": (lambda path: load_pool(str(path)), "m\nn\n", ("m", "n")),
    "prices.json": (prices, '{"m": {"input": 1, "output": 2}}', 1.0),
    "questions.json": (lambda path: read_questions(path).ids, f"[{ASKED}]", ("q1",)),
    "questions.jsonl": (lambda path: read_questions(path).ids, f"{ASKED}\n", ("q1",)),
    "questions.csv": (lambda path: read_questions(path).ids, "id,prompt\nq1,1 + 1?\n", ("q1",)),
    "samples.jsonl": (
        lambda path: tuple(read_samples(path).ids),
        '{"id": "q1", "prompt": "1 + 1?"}\n',
        ("q1",),
    ),
    "job.yaml": (
        lambda path: JobConfig.load(path).encoder.batch_chars,
        "encoder: {batch_chars: 7}",
        7,
    ),
    "template.jinja": (
        lambda path: Template.load(path).digest,
        DEFAULT_TEMPLATE.read_text(),
        Template.load().digest,
    ),
    "plan.json": (read_json, "[1]", [1]),
    "keys": (keys, f"{hashlib.sha256(b'secret').hexdigest()} ada\n", ["ada"]),
    "serve.yaml": (lambda path: read_config(path)["applications"][0]["name"], CONFIG, "scope"),
    "edited.yaml": (edited, CONFIG, "new"),
    "compute.yaml": (
        lambda path: ComputePrices.load(path).usd_per_cpu_hour,
        "usd_per_cpu_hour: 0.5",
        0.5,
    ),
    "token": (
        lambda path: cluster_token({"RAY_AUTH_TOKEN_PATH": str(path)}),
        "secret\n",
        "secret",
    ),
    "decisions.jsonl": (
        decisions,
        json.dumps(request("d1", "a", [candidate("a")])) + "\n",
        ["d1"],
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_a_byte_order_mark_is_accepted(tmp_path, name):
    """
    Notepad and Excel write one. It was refused, or became part of the first name in the file.
    """
    read, text, expected = READERS[name]
    path = tmp_path / name
    path.write_bytes(codecs.BOM_UTF8 + text.encode())

    assert read(path) == expected


OWN_FILES = {
    "deployments.manifests.ray_up": "the schema that Ray ships",
    "deployments.profiling.live_serve": "the log of a Serve that we started",
    "deployments.profiling.measure_replicas": "/proc",
    "deployments.profiling.process_cpu": "/proc",
    "scope.model_catalogue": "our list of models",
    "scope.reasoner.cpu_memory": "/proc and /sys",
    "scope.report.page": "our template of the report",
}
"""Modules that read text in their own way, and what they read."""


def test_text_files_are_read_in_one_way():
    """
    By `read_text` and `open_text` of `scope.text_files`; what a user never writes may differ.
    """
    found = {
        module
        for module, tree in TREES.items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if call.func.attr == "read_text"
        or (call.func.attr == "open" and not call.args and any(call.keywords))
    }

    assert found == set(OWN_FILES)
    assert (ROOT / "scope" / "text_files.py").is_file()
