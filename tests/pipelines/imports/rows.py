"""Small logs in the shapes that the programs write, and what is read of them."""

import json
from pathlib import Path

from pipelines.imports import LogSource

LOGS = Path(__file__).parent / "logs"
"""Logs of real runs of lm-eval 0.4.13 and Inspect 0.3.285 against a local endpoint."""

PROMPTFOO = {
    "evalId": "eval-1",
    "results": {
        "version": 3,
        "results": [
            {
                "provider": {"id": "openai:chat:gpt-4o-mini", "label": ""},
                "prompt": {"raw": '[{"role": "user", "content": "1 + 1?"}]', "label": "p"},
                "response": {"output": "2", "tokenUsage": {"prompt": 9, "completion": 3}},
                "score": 0.5,
                "success": False,
                "failureReason": 1,
                "cost": 0.001,
                "namedScores": {"short": 1},
            },
            {
                "provider": {"id": "openai:gpt-4o-mini", "label": ""},
                "prompt": {"raw": "2 + 2?", "label": "p"},
                "response": {"error": "timeout"},
                "score": 0,
                "success": False,
                "failureReason": 2,
            },
        ],
    },
}
LLMROUTERBENCH = {
    "model_name": "gpt-4o",
    "dataset_name": "aime",
    "demo": False,
    "records": [
        {
            "index": 1,
            "origin_query": "1 + 1?",
            "prompt": "Answer: 1 + 1?",
            "prompt_tokens": 7,
            "completion_tokens": 2,
            "cost": 0.5,
            "score": 0.25,
            "ground_truth": "2",
            "raw_output": "2",
        },
        {"index": 2, "prompt": "2 + 2?", "score": None},
    ],
}
ALPACA = [
    {
        "instruction": "Tell a joke.",
        "output_1": "No.",
        "generator_1": "reference",
        "output_2": "A pun walked in.",
        "generator_2": "gpt-4o",
        "dataset": "koala",
        "annotator": "judge",
        "preference": 1.75,
    }
]
LEADERBOARDS = {
    "leaderboards": [
        {
            "name": "bash-only",
            "results": [
                {
                    "name": "mini + GPT-4o",
                    "tags": ["Model: gpt-4o", "Org: x"],
                    "per_instance_details": {
                        "a__b-1": {"resolved": True, "cost": 0.5, "api_calls": 3}
                    },
                },
                {"name": "other", "tags": [], "resolved": 41.9},
            ],
        }
    ]
}
ROUTERBENCH = (
    "sample_id,prompt,eval_name,gpt-4o,gpt-4o|model_response,gpt-4o|total_cost\n"
    "mmlu.1,\"['Name it.', 'Now.']\",mmlu,0.5,['A'],0.001\n"
)
BATCH = {
    "id": "batch_req_1",
    "custom_id": "q1",
    "response": {
        "status_code": 200,
        "body": {
            "model": "gpt-4o",
            "choices": [{"message": {"role": "assistant", "content": "The answer is (B)."}}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18},
        },
    },
    "error": None,
}
FAILED = {**BATCH, "response": {"status_code": 500, "request_id": "r", "body": {}}}


def written(path, value):
    """Write a log: text as it is, a list of lines to ``.jsonl``, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(value, str):
        rows = value if path.suffix == ".jsonl" else [value]
        value = "\n".join(map(json.dumps, rows)) + "\n"
    path.write_text(value)
    return path


def records(log_format, *paths, **options):
    """All answers that are read."""
    return list(LogSource(log_format, paths, **options).records())
