"""What crosses replicas: messages, errors, and a remote call with deadline and breaker."""
