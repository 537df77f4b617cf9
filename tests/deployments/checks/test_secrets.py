import pytest

from deployments.checks.secrets import secret_mistakes

KEY = "sk-or-v1-" + "0a" * 20


@pytest.mark.parametrize(
    ("document", "field"),
    [
        pytest.param({"env": [{"name": "API_KEY", "value": "x1"}]}, "env[API_KEY].value", id="env"),
        pytest.param({"env_vars": {"HF_TOKEN": "x1"}}, "env_vars.HF_TOKEN", id="runtime_env"),
        pytest.param({"redis-password": "x1"}, "redis-password", id="start parameter"),
        pytest.param({"redisPassword": {"value": "x1"}}, "redisPassword.value", id="of KubeRay"),
        pytest.param({"any": f"curl -H 'Authorization: Bearer {KEY}'"}, "any", id="format"),
        pytest.param({"args": ["--redis-password=hunter2"]}, "args[0]", id="command line"),
        pytest.param({"args": ["export HF_TOKEN=hunter2"]}, "args[0]", id="assignment"),
        pytest.param({"key_variable": KEY}, "key_variable", id="key in place of its variable"),
        pytest.param({"key_variable": "not a name"}, "key_variable", id="no name of a variable"),
        pytest.param(
            {"kind": "Secret", "stringData": {"anything": "x1"}}, "stringData.anything", id="Secret"
        ),
    ],
)
def test_a_secret_in_clear_is_found_and_not_shown(document, field):
    """
    A log of the check must not spread it.
    """
    [mistake] = secret_mistakes(document)

    assert field in mistake.message
    assert not {"x1", KEY, "hunter2"} & set(mistake.sentence.replace("'", " ").split())


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"env": [{"name": "API_KEY", "value": "$(OTHER)"}]}, id="another variable"),
        pytest.param({"env": [{"name": "API_KEY", "valueFrom": {"secretKeyRef": {}}}]}, id="ref"),
        pytest.param({"secretKeyRef": {"name": "redis", "key": "password"}}, id="key of a Secret"),
        pytest.param({"key_variable": "OPENROUTER_API_KEY"}, id="name of a variable"),
        pytest.param({"key_file": "/etc/scope/keys"}, id="file"),
        pytest.param({"RAY_AUTH_TOKEN_PATH": "~/.ray/auth_token"}, id="path"),
        pytest.param({"args": ['--redis-password="$REDIS_PASSWORD"']}, id="variable of a shell"),
        pytest.param({"tolerations": [{"key": "nvidia.com/gpu"}]}, id="key of a taint"),
        pytest.param({"max_completion_tokens": 100, "usd_per_mtok_in": "0.1"}, id="tokens"),
        pytest.param({"keys": [{"name": "a", "sha256": "0" * 64}]}, id="digest"),
        pytest.param({"mode": "token", "secretName": "scope-token"}, id="name of a Secret"),
    ],
)
def test_a_reference_to_a_secret_is_no_secret(document):
    """
    It is what the remedy asks for.
    """
    assert list(secret_mistakes(document)) == []
