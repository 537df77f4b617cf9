"""Small manifests without a mistake, as text, so that a test can change a line."""

SERVE = """\
proxy_location: EveryNode
http_options: {host: 0.0.0.0, port: 8000, request_timeout_s: 120}
applications:
  - name: scope
    route_prefix: /
    import_path: deployments.app:build_app
    args: {}
    deployments:
      - name: Router
        user_config:
          access: {key_file: /etc/scope/keys}
          policy: {alpha: 0.6}
          limits: {deadline_ms: 60000}
          upstreams:
            mathstral-7B:
              base_url: https://api.example.com/v1
              key_variable: EXAMPLE_API_KEY
              timeout_s: 30
        max_ongoing_requests: 1024
        max_queued_requests: 1024
        backpressure_config: {status_code: 503, retry_after_s: 1}
        autoscaling_config: {min_replicas: 2, max_replicas: 4, target_ongoing_requests: 128}
        graceful_shutdown_timeout_s: 120
        ray_actor_options: {num_cpus: 1}
      - name: Embedder
        user_config: {max_batch_size: 32, wait_s: 0}
        max_ongoing_requests: 64
        max_queued_requests: 256
        autoscaling_config: {min_replicas: 1, max_replicas: 2, target_ongoing_requests: 32}
        ray_actor_options: {num_cpus: 1}
      - name: Predictor
        max_ongoing_requests: 64
        max_queued_requests: 256
        autoscaling_config: {min_replicas: 1, max_replicas: 2, target_ongoing_requests: 32}
        ray_actor_options: {num_cpus: 1}
"""

CLUSTER = """\
rayVersion: "2.60.0"
enableInTreeAutoscaling: true
autoscalerOptions: {version: v2, idleTimeoutSeconds: 300}
authOptions: {mode: token}
gcsFaultToleranceOptions:
  redisAddress: redis:6379
  redisPassword: {valueFrom: {secretKeyRef: {name: redis, key: password}}}
headGroupSpec:
  rayStartParams:
    num-cpus: "0"
  template:
    spec:
      containers:
        - name: ray-head
          image: ghcr.io/your-org/scope-router:0.1.0-ray2.60.0
          env:
            - {name: HF_HUB_OFFLINE, value: "1"}
          resources: {limits: {cpu: "2", memory: 8Gi}}
workerGroupSpecs:
  - groupName: cpu
    replicas: 2
    minReplicas: 2
    maxReplicas: 4
    rayStartParams: {}
    template:
      spec:
        terminationGracePeriodSeconds: 180
        containers:
          - name: ray-worker
            image: ghcr.io/your-org/scope-router:0.1.0-ray2.60.0
            ports:
              - {name: serve, containerPort: 8000}
            resources: {limits: {cpu: "4", memory: 16Gi}}
        volumes:
          - {name: shared, persistentVolumeClaim: {claimName: scope-shared}}
"""


def indented(text, n):
    """Return a text with each line moved to the right."""
    return "".join(f"{' ' * n}{line}\n" for line in text.splitlines())


RAY_SERVICE = f"""\
apiVersion: ray.io/v1
kind: RayService
metadata:
  name: scope
spec:
  excludeHeadPodFromServeSvc: true
  rayClusterDeletionDelaySeconds: 120
  upgradeStrategy: {{type: NewCluster}}
  serveConfigV2: |
{indented(SERVE, 4)}\
  rayClusterConfig:
{indented(CLUSTER, 4)}"""

RAY_JOB = f"""\
apiVersion: ray.io/v1
kind: RayJob
metadata:
  name: scope-batch
spec:
  entrypoint: scope predict --help
  backoffLimit: 3
  activeDeadlineSeconds: 86400
  shutdownAfterJobFinishes: true
  ttlSecondsAfterFinished: 600
  rayClusterSpec:
{indented(CLUSTER, 4)}"""

OBJECTS = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: scope
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {app: scope}
---
apiVersion: v1
kind: Service
metadata: {name: scope}
spec:
  type: ClusterIP
  selector: {app: scope}
  ports:
    - {name: http, port: 80, targetPort: 8000}
"""

RAY_UP = """\
cluster_name: scope
provider:
  type: local
  head_ip: 192.0.2.10
  worker_ips: [192.0.2.11, 192.0.2.12]
auth: {ssh_user: scope, ssh_private_key: ~/.ssh/id_ed25519}
setup_commands:
  - pip install "ray[serve]==2.60.0"
head_start_ray_commands:
  - ray stop
  - RAY_AUTH_MODE=token ray start --head --num-cpus=0 --dashboard-host=127.0.0.1
worker_start_ray_commands:
  - ray stop
  - RAY_AUTH_MODE=token ray start --address="$RAY_HEAD_IP:6379"
"""

DOCKERFILE = """\
FROM python:3.11-slim-bookworm AS base
RUN pip install "ray[serve,data]==2.60.0" vllm==0.29.0

FROM base AS cpu
USER 1000:1000
"""
