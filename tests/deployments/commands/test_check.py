"""``scope check``, in this process."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILE = ROOT / "serve_config.yaml"


@pytest.fixture
def wrong(tmp_path):
    """A configuration with a typo on line 19 and an unbounded queue on line 33."""
    text = FILE.read_text().replace("policy: {alpha", "polcy: {alpha").replace(": 256", ": -1", 1)
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    return path


def test_a_valid_configuration_is_described(scope):
    """
    In one line, as `scope serve` does when it starts; the exit code is 0.
    """
    code, out, _ = scope("check", FILE)

    assert (code, out.strip()) == (0, "valid: 17 models, 0 with an upstream, on 127.0.0.1")


def test_every_mistake_has_a_line_of_its_own(scope, wrong):
    """
    File, line, level, what is wrong, what to do; the exit code of an error is 2.
    """
    code, out, err = scope("check", wrong)

    assert (code, err) == (2, "")
    assert out.splitlines() == [
        f"{wrong}:{line_of(wrong, 'polcy')}: error: Router.user_config.polcy is unknown; "
        "did you mean policy?",
        f"{wrong}:{line_of(wrong, ': -1')}: warning: Embedder.max_queued_requests is -1: the queue "
        "has no limit, and waits grow without end; set a number of requests that can be answered "
        "in time",
    ]


def line_of(path, text):
    """The first line with a text, from 1."""
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_several_files_end_with_a_count(scope, wrong):
    """
    Each valid configuration is described with its name.
    """
    code, out, _ = scope("check", FILE, wrong)

    assert code == 2
    assert out.splitlines()[-2:] == [
        f"{FILE}: valid: 17 models, 0 with an upstream, on 127.0.0.1",
        "2 files: 1 errors, 1 warnings",
    ]


def test_warnings_alone_exit_with_0(scope, tmp_path):
    """
    They are what works worse than it could.
    """
    path = tmp_path / "serve_config.yaml"
    path.write_text(FILE.read_text().replace("max_queued_requests: 256", "max_queued_requests: -1"))

    code, out, _ = scope("check", path)

    assert code == 0
    assert out.count(": warning: ") == 2
    assert out.splitlines()[-1] == "valid: 17 models, 0 with an upstream, on 127.0.0.1"


def test_json_has_the_same_findings(scope, wrong):
    """
    Standard output is one JSON value.
    """
    code, out, _ = scope("check", "--json", wrong)
    report = json.loads(out)

    assert code == 2
    assert report["files"] == 1
    assert [finding["level"] for finding in report["findings"]] == ["error", "warning"]
    assert report["findings"][0] == {
        "file": str(wrong),
        "line": line_of(wrong, "polcy"),
        "level": "error",
        "where": "Router.user_config.polcy",
        "message": "Router.user_config.polcy is unknown",
        "remedy": "did you mean policy?",
    }
