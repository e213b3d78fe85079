#!/usr/bin/env python3
"""Writes what stands in the repository twice: Helm reads no file outside of its chart, and the Prometheus operator wants
rules inside of a resource. Tests compare the copies."""
import textwrap
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus/alerts.yaml"
DASHBOARD = DEPLOY / "grafana/shardlane.json"
RULE = """# deploy/prometheus/alerts.yaml for the Prometheus operator; written by tests/deploy/copies.py.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: shardlane
  labels:
    app.kubernetes.io/name: shardlane
spec:
"""


def copies():
    """Each copy's path and its text."""
    alerts = ALERTS.read_text()
    groups = alerts[alerts.index("groups:\n"):]
    return {
        DEPLOY / "kubernetes/prometheusrule.yaml": RULE + textwrap.indent(groups, "  "),
        DEPLOY / "helm/shardlane/files/alerts.yaml": alerts,
        DEPLOY / "helm/shardlane-injector/files/alerts.yaml": alerts,
        DEPLOY / "helm/shardlane/files/dashboard.json": DASHBOARD.read_text(),
    }


if __name__ == "__main__":
    for path, text in copies().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
