import pytest

from tests.cluster.manifests import BUILDS, OVERLAYS, kind_of, policies

RAY = {"app.kubernetes.io/part-of": "scope-router"}
SERVE = RAY | {"app.kubernetes.io/component": "serve"}
HEAD, WORKER = SERVE | {"ray.io/node-type": "head"}, SERVE | {"ray.io/node-type": "worker"}
CLEANUP = SERVE | {"ray.io/node-type": "redis-cleanup"}
REDIS = {"app.kubernetes.io/name": "scope-redis"}
OPERATOR, DEBUGGER = (
    {"app.kubernetes.io/name": "kuberay-operator"},
    {"scope-router/operator": "true"},
)
OTHER = {"app": "other"}
PROMETHEUS, INGRESS = {"app": "prometheus"}, {"app": "ingress"}


def matches(selector, labels):
    """Whether a label selector finds these labels."""
    expressions = selector.get("matchExpressions", [])
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        e["operator"] == "In" and labels.get(e["key"]) in e["values"] for e in expressions
    )


def admits(peer, labels, namespace):
    """Whether one entry of ``from`` or ``to`` is a pod with these labels in a namespace."""
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" not in peer:
        at_home = namespace == "scope"
    else:
        at_home = matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace})
    return at_home and matches(peer.get("podSelector", {}), labels)


def allowed(name, direction, subject, labels, namespace, port):
    """Whether the policies let a pod be reached by (``ingress``), or reach, another one."""
    peers = {"ingress": "from", "egress": "to"}[direction]
    found = [
        policy
        for policy in policies(name).values()
        if direction.title() in policy["policyTypes"] and matches(policy["podSelector"], subject)
    ]
    assert found, "no policy selects the pod: everything is allowed"
    return any(
        (peers not in rule or any(admits(peer, labels, namespace) for peer in rule[peers]))
        and ("ports" not in rule or port in {entry["port"] for entry in rule["ports"]})
        for policy in found
        for rule in policy.get(direction, [])
    )


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize(
    ("subject", "labels", "namespace", "port", "expected"),
    [
        pytest.param(WORKER, INGRESS, "ingress-nginx", 8000, True, id="requests"),
        pytest.param(WORKER, OTHER, "default", 8000, False, id="requests of others"),
        pytest.param(HEAD, INGRESS, "ingress-nginx", 8000, False, id="requests to the head"),
        pytest.param(HEAD, INGRESS, "ingress-nginx", 8265, False, id="dashboard by ingress"),
        pytest.param(HEAD, OPERATOR, "kuberay-system", 8265, True, id="KubeRay deploys"),
        pytest.param(HEAD, DEBUGGER, "scope", 8265, True, id="an operator's pod"),
        pytest.param(HEAD, DEBUGGER, "default", 8265, False, id="the label elsewhere"),
        pytest.param(HEAD, OTHER, "scope", 8265, False, id="dashboard by others"),
        pytest.param(HEAD, OTHER, "default", 6379, False, id="GCS by others"),
        pytest.param(HEAD, WORKER, "scope", 6379, True, id="GCS by workers"),
        pytest.param(WORKER, HEAD, "scope", 40123, True, id="ports that Ray chooses"),
        pytest.param(WORKER, PROMETHEUS, "monitoring", 8080, True, id="metrics"),
        pytest.param(WORKER, PROMETHEUS, "default", 8080, False, id="metrics by others"),
        pytest.param(WORKER, PROMETHEUS, "monitoring", 8000, False, id="no more than metrics"),
    ],
)
def test_who_reaches_the_pods_of_ray(name, subject, labels, namespace, port, expected):
    """
    Requests from the ingress controller, the dashboard from KubeRay and operators, metrics from
    Prometheus, and everything between pods of Ray.
    """
    assert allowed(name, "ingress", subject, labels, namespace, port) is expected


@pytest.mark.parametrize(
    ("labels", "expected"), [(HEAD, True), (CLEANUP, True), (WORKER, False), (OTHER, False)]
)
def test_redis_is_reached_by_gcs_only(labels, expected):
    """
    And by the job of KubeRay that removes the state of a deleted cluster, with the head's labels.
    """
    assert allowed("small", "ingress", REDIS, labels, "scope", 6379) is expected
    if labels != OTHER:
        assert allowed("small", "egress", labels, REDIS, "scope", 6379) is expected


def test_redis_connects_nowhere():
    """
    A policy without rules refuses everything.
    """
    assert "egress" not in policies("small")["scope-redis"]


@pytest.mark.parametrize("name", BUILDS)
def test_upstreams_are_public_addresses(name):
    """
    A worker reaches neither the cloud's metadata nor private networks.
    """
    (rule,) = policies(name)["scope-upstreams"]["egress"]

    assert rule["ports"] == [{"protocol": "TCP", "port": 443}]
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(rule["to"][0]["ipBlock"]["except"])


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_offline_job_that_is_deleted_leaves_the_policies_of_the_service(name):
    """
    Both have them, so that each is guarded without the other, under different names.
    """
    assert not set(kind_of("batch", "NetworkPolicy")) & set(kind_of(name, "NetworkPolicy"))
