import json
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "ask_and_score.py"


def test_the_example_scores_what_it_can_grade(local, upstream, tmp_path):
    """
    The upstream answers (A) to all: right, wrong, and no option of the third, which gets no score.
    """
    upstream.behave({})
    golds = {"right": "A", "wrong": "B"}
    rows = [
        {"id": name, "prompt": f"{name}? A) oxygen B) carbon dioxide", "gold": gold}
        for name, gold in golds.items()
    ]
    rows.append({"id": "a number", "prompt": "2+3?", "gold": "5"})
    questions = tmp_path / "questions.jsonl"
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"base_url": upstream.base_url}
    upstreams = {"upstreams": {"small": settings, "large": settings}}
    log = {"decisions": {"folder": str(tmp_path / "log"), "prompts": True}}

    with local.open(**upstreams, **log), local.listening() as url:
        done = subprocess.run(
            [sys.executable, EXAMPLE, questions, f"{url}/v1"],
            capture_output=True,
            text=True,
            check=True,
            cwd=EXAMPLE.parents[1],
        )

    assert done.stdout == "{'right': 1, 'wrong': 1, 'not graded': 1}\n"
    (decisions,) = (tmp_path / "log").glob("decisions-*.jsonl")
    prompt_of = {row["id"]: row["prompt"] for row in map(json.loads, decisions.open())}
    (scores,) = (tmp_path / "log").glob("feedback-*.jsonl")
    score_of = {prompt_of[row["id"]][:5]: row["score"] for row in map(json.loads, scores.open())}
    assert score_of == {"right": 1.0, "wrong": 0.0}
