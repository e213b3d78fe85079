"""Tables out of results, as text and as Markdown."""
import os
from statistics import median

from .subjects import SUBJECTS
from .workloads import WORKLOADS

HEADS = ["subject", "CPU us/request", "x HAProxy", "x frame-mux24", "p50 added us", "p50 us", "p99 us", "RSS MB",
         "right node", "right shard", "errors"]


def line(row):
    """One line while the run goes on."""
    head = f"round {row['round']} {row['workload']} {row['subject']:12}"
    if "failed" in row:
        return f"{head} FAILED {row['failed']}"
    load = row["load"]
    return (f"{head} cpu {row['cpu_us']:7.2f} us  p50 {load['p50_us']:9.1f} us  p99 {load['p99_us']:9.1f} us  {load['throughput']:10.0f}/s"
            f"  rss {row['rss_kb'] / 1024:6.1f} MB  right shard {share([row], 'shard_hit', 1):>6}  errors {load['errors']}"
            + "".join(f"  {e}" for e in load["cql_errors"]))


def spread(values, digits):
    """Median, and the smallest and largest."""
    if not values:
        return "-"
    return f"{median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


def share(rows, key, digits):
    """Median share; nothing where one plain node made every place right."""
    values = [r[key] for r in rows if key in r]
    return f"{median(values):.{digits}%}" if values else "-"


def ratio(values, base):
    return f"{median(values) / median(base):.2f}" if values and base and median(base) else "-"


def table_of(rows):
    """The rows of one workload's table."""
    names = [s for s in SUBJECTS if any(r["subject"] == s for r in rows)]
    good = {s: {r["round"]: r for r in rows if r["subject"] == s and "failed" not in r} for s in names}
    cpu = {s: [r["cpu_us"] for r in good[s].values()] for s in names}
    direct = good.get("direct", {})
    out = []
    for s in names:
        g = good[s]
        if not g:
            reason = next(r["failed"] for r in rows if r["subject"] == s)
            out.append([s, "failed: " + " ".join(reason.split())[:100], *[""] * (len(HEADS) - 2)])
            continue
        added = [r["load"]["p50_us"] - direct[k]["load"]["p50_us"] for k, r in g.items() if k in direct]
        failed = sum(r["subject"] == s and "failed" in r for r in rows)
        errors = sum(r["load"]["errors"] for r in g.values())
        proxied = s != "direct"
        out.append([
            s,
            spread(cpu[s], 2) if proxied else "-",
            ratio(cpu[s], cpu.get("haproxy")) if proxied else "-",
            ratio(cpu[s], cpu.get("frame-mux24")) if proxied else "-",
            spread(added, 1) if proxied else "-",
            f"{median(r['load']['p50_us'] for r in g.values()):.1f}",
            f"{median(r['load']['p99_us'] for r in g.values()):.0f}",
            f"{median(r['rss_kb'] for r in g.values()) / 1024:.1f}" if proxied else "-",
            share(g.values(), "node_hit", 1),
            share(g.values(), "shard_hit", 2),
            f"{errors}" + (f" ({failed} runs failed)" if failed else ""),
        ])
    return out


def overview(rows, workloads):
    """CPU ratios to HAProxy, all workloads in one table."""
    names = [s for s in SUBJECTS if s != "direct" and any(r["subject"] == s for r in rows)]
    cpu = lambda s, w: [r["cpu_us"] for r in rows if (r["subject"], r["workload"]) == (s, w) and "failed" not in r]
    return [[s, *(ratio(cpu(s, w), cpu("haproxy", w)) for w in workloads)] for s in names]


def as_text(heads, body):
    widths = [max(len(str(r[i])) for r in [heads, *body]) for i in range(len(heads))]
    widths = [min(w, 60) for w in widths]
    return "\n".join("  ".join(str(c).ljust(w) for c, w in zip(r, widths)).rstrip() for r in [heads, *body])


def as_markdown(heads, body):
    bars = lambda cells: "| " + " | ".join(map(str, cells)) + " |"
    return "\n".join([bars(heads), "|" + "---|" * len(heads), *map(bars, body)])


def render(rows, skipped, draw, title):
    workloads = [w for w in WORKLOADS if any(r["workload"] == w for r in rows)]
    parts = []
    if len(workloads) > 1 and any(r["subject"] == "haproxy" for r in rows):
        parts += [title("Proxy CPU per request, ratio to HAProxy"), draw(["subject", *workloads], overview(rows, workloads))]
    for w in workloads:
        chosen = [r for r in rows if r["workload"] == w]
        rounds = len({r["round"] for r in chosen})
        requests = next((r["requests"] for r in chosen if "requests" in r), 0)
        parts += [title(f"{w}: {WORKLOADS[w].what} ({requests:,} requests, {rounds} rounds)"), draw(HEADS, table_of(chosen))]
    parts += [f"{name} was skipped: {reason}" for name, reason in skipped.items()]
    good = [r for r in rows if "failed" not in r]
    parts.append(f"{len(good)} of {len(rows)} cells, {sum(r['requests'] for r in good):,} checked requests, "
                 f"{sum(r['load']['errors'] for r in good)} errors.")
    return "\n\n".join(parts) + "\n"


def write(rows, skipped, folder):
    """Prints the tables and leaves them in `folder`."""
    text = render(rows, skipped, as_text, lambda t: t)
    print("\n" + text)
    for name, content in (("table.txt", text), ("table.md", render(rows, skipped, as_markdown, lambda t: f"### {t}"))):
        with open(os.path.join(folder, name), "w") as f:
            f.write(content)
