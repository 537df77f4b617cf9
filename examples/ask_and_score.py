"""Ask the endpoint the questions of a file, grade the answers, and send the scores as feedback.

``python examples/ask_and_score.py questions.jsonl [URL]``, with `id`, `prompt` and `gold` in each
line. An answer that cannot be graded gets no score: unknown is not wrong.
"""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from scope.questions import grader_for, read_questions


def main(path: Path, url: str = "http://127.0.0.1:8000/v1") -> None:
    """Send all questions, eight at a time, and print what became of them."""
    questions = read_questions(path)
    with httpx.Client(base_url=url, timeout=600) as client, ThreadPoolExecutor(8) as threads:

        def ask(q: int) -> str:
            prompt, gold = questions.prompts[q], questions.gold_answers[q]
            body = {"model": "auto", "messages": [{"role": "user", "content": prompt}]}
            response = client.post("/chat/completions", json=body)
            if response.is_error:
                return f"status {response.status_code}"
            choice = response.json()["choices"][0]
            grader = grader_for(questions.graders[q] or "auto", gold, prompt, f"question {q}")
            score = grader.grade(choice["message"]["content"], gold, prompt)
            if score is None or choice["finish_reason"] == "length":
                return "not graded"
            decision_id = response.headers["x-scope-decision-id"]
            feedback = {"decision_id": decision_id, "score": score}
            client.post("/feedback", json=feedback).raise_for_status()
            return "right" if score == 1 else "wrong"

        print(dict(Counter(threads.map(ask, range(len(questions))))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
