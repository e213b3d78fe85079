#!/usr/bin/env python3
"""Writes shardlane.json, the dashboard for Grafana 10 and later: rows of panels, each with its queries.

A test compares the file with what this writes, and asks docs/metrics.md about every metric and label.
"""
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Narrows every query to what is chosen at the top.
CHOSEN = 'job=~"$job", instance=~"$instance"'
WIDTH = 24


def of(metric, more=""):
    return "%s{%s%s}" % (metric, more and more + ", ", CHOSEN)


def rate(metric, more=""):
    return "rate(%s[$__rate_interval])" % of(metric, more)


def total(expression, by=""):
    return "sum%s (%s)" % (" by (%s)" % by if by else "", expression)


def share(part, whole):
    """A part of a whole that counts the part, too."""
    return "%s / %s" % (part, whole)


def together(*expressions):
    """The sum of those that are there."""
    return "(%s)" % " + ".join("(%s or vector(0))" % expression for expression in expressions)


HITS, MISSES = total(rate("shardlane_tablet_hits_total")), total(rate("shardlane_tablet_feedback_total"))
TEXT_HITS, TEXT_MISSES = total(rate("shardlane_text_tablet_hits_total")), total(rate("shardlane_text_tablet_feedback_total"))
HIT_RATE = share(together(HITS, TEXT_HITS), together(HITS, TEXT_HITS, MISSES, TEXT_MISSES))
RECEIVED = total(rate("shardlane_requests_received_total"))


def quantiles(metric):
    return [("histogram_quantile(%s, %s)" % (q, total(rate(metric + "_bucket"), "le")), name)
            for q, name in (("0.5", "p50"), ("0.99", "p99"), ("0.999", "p99.9"))]


# (title, description, unit, kind, queries with their legends)
ROWS = [
    ("Is it routing?", [
        ("Hit rate", "Requests on tables with tablets that reached the shard that owns their row, as the server counts.",
         "percentunit", "stat", [(HIT_RATE, "hit rate")]),
        ("Requests", "What clients send.", "reqps", "stat", [(RECEIVED, "requests")]),
        ("Clients", "Connections of clients.", "short", "stat", [(total(of("shardlane_client_connections")), "clients")]),
        ("Open connections to nodes", "One to each shard, by default.", "short", "stat",
         [(total(of("shardlane_lanes", 'state="open"')), "open")]),
        ("Hit rate in time", "The server's own word: answers that said nothing of a wrong shard, and all that could have.",
         "percentunit", "graph", [(HIT_RATE, "hit rate")]),
        ("Misses by table", "Answers by which the server named a better shard. Each teaches a tablet.", "reqps", "graph",
         [(total(rate("shardlane_tablet_feedback_total"), "table"), "{{table}}"),
          (total(rate("shardlane_text_tablet_feedback_total"), "table"), "{{table}}, texts")]),
        ("Decisions by reason", "tablet_replica, ring_replica and lwt_primary went to a replica's shard; docs/operations.md "
         "says what to do about the others.", "reqps", "stack", [(total(rate("shardlane_routing_total"), "reason"), "{{reason}}")]),
        ("Known tablets", "Each worker learns its own.", "short", "graph",
         [(of("shardlane_tablet_map_entries"), "{{instance}}")]),
        ("Hit rate of texts", "Of statements by text, as the nodes judge them: bound keys, and constants that were sampled.",
         "percentunit", "graph", [(share(together(TEXT_HITS), together(TEXT_HITS, TEXT_MISSES)), "texts")]),
        ("Readings of tablets", "By how they ended; tablets that were read, and those of them that a node had reported otherwise.",
         "ops", "graph",
         [(total(rate("shardlane_tablet_reads_total"), "result"), "tables: {{result}}"),
          (total(rate("shardlane_tablets_read_total")), "tablets"),
          (total(rate("shardlane_tablets_outdated_total")), "outdated"),
          (total(rate("shardlane_tablet_samples_total")), "samples")]),
    ]),
    ("Requests and answers", [
        ("Requests by operation", "", "reqps", "stack", [(total(rate("shardlane_requests_received_total"), "op"), "{{op}}")]),
        ("Answers by outcome", "failed: the node's ERROR. refused: our own. local: answered without a node. abandoned: the "
         "client had gone.", "reqps", "stack", [(total(rate("shardlane_requests_total"), "outcome"), "{{outcome}}")]),
        ("Duration", "From a request's arrival to its answer's departure.", "s", "graph",
         quantiles("shardlane_request_duration_seconds")),
        ("Overhead", "The part that was spent in shardlane itself.", "s", "graph", quantiles("shardlane_proxy_overhead_seconds")),
        ("In flight", "Requests that wait for a node, and those of them whose client has gone.", "short", "graph",
         [(total(of("shardlane_upstream_in_flight")), "in flight"), (total(of("shardlane_orphans")), "orphans")]),
        ("Trouble", "Time-outs, answers after them, requests sent again, and those that the budget did not allow.", "reqps", "graph",
         [(total(rate("shardlane_request_timeouts_total")), "timed out"),
          (total(rate("shardlane_late_answers_total")), "answered late"),
          (total(rate("shardlane_retries_total")), "sent again"),
          (total(rate("shardlane_retries_refused_total")), "not sent again"),
          (total(rate("shardlane_speculative_refused_total")), "slow read not copied")]),
    ]),
    ("Nodes", [
        ("Open connections by node", "Fewer than shards: the node is not reached in full.", "short", "graph",
         [(total(of("shardlane_lanes", 'state="open"'), "node"), "{{node}}")]),
        ("Stalled and draining connections", "A stalled one takes no bytes and says none.", "short", "graph",
         [(total(of("shardlane_lanes", 'state!="open"'), "node, state"), "{{node}} {{state}}")]),
        ("Failed handshakes", "Attempts to open a connection that failed, by how.", "ops", "graph",
         [(total(rate("shardlane_handshakes_total", 'result!="opened"'), "node, result"), "{{node}} {{result}}")]),
        ("Source ports", "direct is good; rewritten means NAT in between (docs/nat.md); closed: the port does not answer.", "short",
         "table", [(total(of("shardlane_shard_aware_port"), "node, verdict"), "{{node}} {{verdict}}")]),
        ("Connections lost or passed over", "Without a sign of life, by broken protocol, stalled; opened in excess at the plain "
         "port; to another shard than the source port names.", "ops", "graph",
         [(total(rate("shardlane_heartbeat_timeouts_total")), "no sign of life"),
          (total(rate("shardlane_lanes_broken_total")), "broke the protocol"),
          (total(rate("shardlane_lanes_stalled_total")), "stalled"),
          (total(rate("shardlane_lanes_excess_total")), "in excess"),
          (total(rate("shardlane_source_ports_taken_total")), "source port taken"),
          (total(rate("shardlane_shard_mismatch_total")), "to another shard")]),
        ("Schema changes", "Those whose answer waited for the nodes to agree, and those that were answered without.", "ops", "graph",
         [(total(rate("shardlane_schema_agreement_waits_total")), "waited"),
          (total(rate("shardlane_schema_agreement_timeouts_total")), "without agreement")]),
    ]),
    ("Prepared statements", [
        ("Memory for prepared statements", "With its bound.", "bytes", "graph",
         [(of("shardlane_prepared_cache_bytes"), "{{instance}}"),
          ("max (%s)" % of("shardlane_limit", 'setting="catalog_bytes_max"'), "limits.catalog_bytes_max")]),
        ("Prepared again", "Share of executed statements that their node had forgotten. A steady stream: its cache is too small.",
         "percentunit", "graph",
         [(share(total(rate("shardlane_prepared_cache_reprepares_total")),
                 total(rate("shardlane_requests_received_total", 'op="execute"'))), "prepared again")]),
        ("Known and unknown statements", "", "reqps", "graph",
         [(total(rate("shardlane_prepared_cache_hits_total")), "known"),
          (total(rate("shardlane_prepared_cache_misses_total")), "unknown"),
          (total(rate("shardlane_prepared_cache_spread_total")), "prepared ahead of need"),
          (total(rate("shardlane_prepared_cache_not_spread_total")), "left to their use"),
          (total(rate("shardlane_prepared_asked_total")), "asked of clients")]),
        ("Texts run as prepared statements", "With text.mode = execute.", "reqps", "graph",
         [(total(rate("shardlane_texts_executed_total")), "run"),
          (total(rate("shardlane_text_shapes_forgotten_total")), "sent as text after all"),
          (total(rate("shardlane_text_shapes_given_up_total")), "shapes given up")]),
        ("Shapes of texts", "", "short", "graph",
         [(of("shardlane_text_shapes"), "{{instance}}"),
          (total(rate("shardlane_text_shapes_prepared_total")), "prepared per second")]),
        ("Memory for shapes of texts", "", "bytes", "graph",
         [(of("shardlane_text_shapes_bytes"), "{{instance}}")]),
    ]),
    ("Clients and logins", [
        ("Connections of clients", "", "short", "graph",
         [(of("shardlane_client_connections"), "{{instance}}"),
          (of("shardlane_clients_logging_in"), "{{instance}}, logging in")]),
        ("Memory held", "For clients and connections, with what the process takes besides, and the bound.", "bytes", "graph",
         [(of("shardlane_memory_bytes"), "{{instance}}"),
          ("max (%s)" % of("shardlane_limit", 'setting="memory_bytes_max"'), "limits.memory_bytes_max")]),
        ("Memory near its bound", "Clients that waited for their turn, and requests and logins that were refused.", "ops", "graph",
         [(total(rate("shardlane_memory_waits_total")), "waited"),
          (total(rate("shardlane_memory_refusals_total")), "refused")]),
        ("Clients that came", "By protocol version and compression.", "ops", "stack",
         [(total(rate("shardlane_clients_started_total"), "version, compression"), "v{{version}} {{compression}}")]),
        ("Clients turned away", "newer_version is how drivers find the version that is spoken.", "ops", "graph",
         [(total(rate("shardlane_clients_rejected_total"), "reason"), "{{reason}}")]),
        ("Logins", "By what the cluster said.", "ops", "graph",
         [(total(rate("shardlane_logins_total"), "result"), "{{result}}")]),
        ("TLS handshakes of clients", "", "ops", "graph",
         [(total(rate("shardlane_client_tls_handshakes_total"), "result"), "{{result}}")]),
        ("Certificates", "Time until they expire.", "s", "graph",
         [("%s - time()" % of("shardlane_tls_certificate_expiry_timestamp_seconds"), "{{instance}} {{side}}")]),
        ("Replaced TLS files", "failed: those before stay in use.", "ops", "graph",
         [(total(rate("shardlane_tls_reloads_total"), "side, result"), "{{side}} {{result}}")]),
    ]),
    ("Process", [
        ("CPU", "1 is a whole core, which is as much as one worker can use.", "short", "graph",
         [("rate(%s[$__rate_interval])" % of("process_cpu_seconds_total"), "{{instance}}")]),
        ("Resident memory", "", "bytes", "graph", [(of("process_resident_memory_bytes"), "{{instance}}")]),
        ("File descriptors", "In use, of those that are allowed.", "percentunit", "graph",
         [(share(of("process_open_fds"), of("process_max_fds")), "{{instance}}")]),
        ("Reloads of the settings", "Generation, failures, whether the last one succeeded, and the time since it did.", "short", "graph",
         [(of("shardlane_config_generation"), "{{instance}} generation"),
          (of("shardlane_config_reload_failures_total"), "{{instance}} failures"),
          (of("shardlane_config_last_reload_successful"), "{{instance}} last succeeded"),
          ("time() - %s" % of("shardlane_config_last_reload_success_timestamp_seconds"), "{{instance}} seconds since")]),
        ("Begun with", "Tablets and statements that the process before had learned, and how old they were.", "short", "graph",
         [(of("shardlane_state_restored"), "{{instance}} {{what}}"),
          (of("shardlane_state_restored_age_seconds"), "{{instance}} seconds old")]),
        ("File of what was learned", "Its age, and how often it was written, could not be written, or was of no use.", "short", "graph",
         [("time() - (%s > 0)" % of("shardlane_state_written_timestamp_seconds"), "{{instance}} seconds since"),
          (of("shardlane_state_writes_total"), "{{instance}} written"),
          (of("shardlane_state_write_failures_total"), "{{instance}} not written"),
          (of("shardlane_state_read_failures_total"), "{{instance}} of no use")]),
        ("Length of that file", "", "bytes", "graph", [(of("shardlane_state_bytes"), "{{instance}}")]),
        ("Log lines lost", "The reader of stderr did not keep up.", "ops", "graph",
         [(total(rate("shardlane_log_lines_lost_total"), "instance"), "{{instance}}")]),
    ]),
    ("Admission webhook", [
        ("Pods that were asked about", "By what became of them; refused: they asked for a sidecar and cannot get one.", "ops", "stack",
         [(total(rate("shardlane_webhook_reviews_total"), "outcome"), "{{outcome}}")]),
        ("Time of an answer", "An API server waits for 5 s by default.", "s", "graph",
         quantiles("shardlane_webhook_review_duration_seconds")),
        ("Connections of API servers", "failed: they do not trust the certificate.", "ops", "stack",
         [(total(rate("shardlane_webhook_tls_handshakes_total"), "result"), "{{result}}")]),
    ]),
]
SOURCE = {"type": "prometheus", "uid": "${source}"}


def panel(number, place, spec):
    title, description, unit, kind, queries = spec
    made = {
        "id": number, "title": title, "description": description, "gridPos": place, "datasource": SOURCE,
        "type": {"stat": "stat", "table": "bargauge"}.get(kind, "timeseries"),
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
                    for i, (expression, legend) in enumerate(queries)],
    }
    defaults = made["fieldConfig"]["defaults"]
    if unit == "percentunit":
        defaults["max"] = 1
    if kind in ("graph", "stack"):
        defaults["custom"] = {"fillOpacity": 10, "showPoints": "never"}
        made["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    if kind == "stack":
        defaults["custom"].update(fillOpacity=40, stacking={"mode": "normal", "group": "A"})
    if kind == "stat":
        made["options"] = {"reduceOptions": {"calcs": ["lastNotNull"], "values": False}, "graphMode": "area"}
    if kind == "table":
        made["options"] = {"displayMode": "basic", "orientation": "horizontal", "reduceOptions": {"calcs": ["lastNotNull"]}}
    return made


def panels():
    made, y, number = [], 0, 1
    for name, specs in ROWS:
        made.append({"id": number, "type": "row", "title": name, "collapsed": False, "panels": [],
                     "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y}})
        number, y, x, row = number + 1, y + 1, 0, 0
        for spec in specs:
            width, height = (6, 4) if spec[3] == "stat" else (12, 8)
            if x + width > WIDTH:
                x, y = 0, y + row
            made.append(panel(number, {"h": height, "w": width, "x": x, "y": y}, spec))
            number, x, row = number + 1, x + width, height
        y += row
    return made


def variable(name, label, query):
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "refresh": 2, "includeAll": True,
            "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "sort": 1,
            "query": {"query": query, "refId": name}, "definition": query}


def dashboard():
    return {
        "uid": "shardlane", "title": "shardlane", "tags": ["shardlane", "scylladb"], "schemaVersion": 38, "version": 1,
        "editable": True, "graphTooltip": 1, "refresh": "30s", "timezone": "", "time": {"from": "now-1h", "to": "now"},
        "annotations": {"list": [{
            "name": "Starts", "enable": True, "datasource": SOURCE, "iconColor": "blue", "titleFormat": "started",
            "expr": "changes(%s[2m]) > 0" % of("process_start_time_seconds")}]},
        "templating": {"list": [
            {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}},
            variable("job", "Job", "label_values(shardlane_build_info, job)"),
            variable("instance", "Instance", 'label_values(shardlane_build_info{job=~"$job"}, instance)'),
        ]},
        "links": [],
        "panels": panels(),
    }


if __name__ == "__main__":
    (HERE / "shardlane.json").write_text(json.dumps(dashboard(), indent=1) + "\n")
