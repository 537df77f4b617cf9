"""What the errors of upstreams tell about the account that pays is hidden, and nothing else."""

import pytest

from deployments.upstream.private_text import MAX_CHARS, hide_private

PRIVATE = [
    ("Incorrect API key provided: sk-ab***xyz. See https://x.com/keys.",
     "Incorrect API key provided: ***. See https://x.com/keys."),
    ("Incorrect API key provided: sk-…abcd.", "Incorrect API key provided: ***."),
    ("Incorrect API key provided: abcd1234.", "Incorrect API key provided: ***."),
    ("no such key: sk-proj-abcDEF", "no such key: ***"),
    ("key gsk_abc***xyz", "key ***"),
    ("Authorization: Bearer abcdef123", "Authorization: Bearer ***"),
    ("gpt-4o in organization org-a1B2c3D4e5 on tokens", "gpt-4o in organization *** on tokens"),
    ("in organization `org_01hv5k` service tier", "in organization `***` service tier"),
    ("Project `proj_AbC123dEf` does not", "Project `***` does not"),
    ("User id: user_2abcDEF99 banned", "User id: *** banned"),
    ("request id: req_0a1b2c3d4e, retry", "request id: ***, retry"),
    ("the request ID 1234abcd-1234-1234-1234-123456789abc.", "the request ID ***."),
    ("account ID 123456789012", "account ID ***"),
    ("account 0123456789abcdef0123456789abcdef", "account ***"),
    ("projects/my-proj-1/locations", "projects/***/locations"),
    ("arn:aws:bedrock:us-east-1:123456789012:model/x denied", "*** denied"),
    ("contact jane.doe+x@corp.example.com now", "contact *** now"),
    ("connect to http://vllm-svc:8000/v1 failed", "connect to *** failed"),
    ("see http://10.0.0.5:8000.", "see ***."),
    ("qwen.default.svc.cluster.local:8000 refused", "*** refused"),
    ("Pool(host='vllm-7b', port=8000)", "Pool(host='***', port=8000)"),
    ("https://x.example.com/v1?key=abc is wrong", "https://x.example.com/v1?*** is wrong"),
    ("https://me:pw@x.example.com/v1", "https://***@x.example.com/v1"),
    ('File "/app/server/main.py", line 3', 'File "***", line 3'),
]  # fmt: skip
PUBLIC = [
    "This model's maximum context length is 2048 tokens. However, you requested 2100 tokens.",
    "Unsupported parameter: 'max_tokens' is not supported with this model.",
    "Invalid value: 'x'. Supported values are: 'system', 'user'.",
    "API key: not found",
    "phi4:14b does not support tools; to learn more see https://openrouter.ai/docs/routing",
    "messages.1.tool_call_id call_abc123 not found",
    "meta/llama-3.1-8b, gpt-5@3 and user_location_2 at version 1.2.3",
]


@pytest.mark.parametrize(("text", "shown"), PRIVATE)
def test_what_is_private_is_hidden(text, shown):
    """
    As OpenAI, Groq, OpenRouter, Google, AWS, Anthropic and proxies write it; twice is as once.
    """
    assert hide_private(text) == shown
    assert hide_private(shown) == shown


@pytest.mark.parametrize("text", PUBLIC)
def test_the_words_about_the_request_stay(text):
    """
    Clients act on them.
    """
    assert hide_private(text) == text


def test_a_long_text_is_cut():
    """
    Some upstreams quote the whole prompt.
    """
    assert hide_private("a " * MAX_CHARS) == "a " * (MAX_CHARS // 2)
