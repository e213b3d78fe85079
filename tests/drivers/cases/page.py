"""The live page in a real browser: what it shows is what the metrics say, and it works by keyboard and on a telephone."""
import contextlib
import json
import re
import shutil
import time
import urllib.request

import direct
from stage import Skip, case, fetch, log, until

KEYS = 200
# A cluster of 100 nodes with 64 shards, whose numbers grow from message to message.
LARGE = """
(turn) => {
  const node = (n) => ({ address: '10.0.' + n + '.1', data_center: 'dc1', rack: 'r' + n % 3,
    lanes: Array(64).fill(1), requests: Array.from({ length: 64 }, (_, s) => turn * (n + s)),
    answered: Array(64).fill(turn), waited_us: Array(64).fill(turn * 900), in_flight: Array(64).fill(n % 7) });
  const message = { ...last, now_ms: last.now_ms + 1000, nodes: Array.from({ length: 100 }, (_, n) => node(n)) };
  before = last; last = message;
  const began = performance.now();
  draw();
  return performance.now() - began;
}
"""


@contextlib.contextmanager
def browser():
    if not shutil.which("chromium"):
        raise Skip("chromium is not on this machine")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


def opened(chromium, url, width=1200, scheme="light"):
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda message: page.faults.append(message.text) if message.type in ("error", "warning") else None)
    page.goto(url)
    becomes(page, "Number(document.body.dataset.messages || 0) >= 3")
    return page


def becomes(page, condition):
    # The policy of the page forbids what Playwright's own waits evaluate.
    until(condition, lambda: page.evaluate(condition), 30)


def rows(page, table):
    """The rows of a table as texts, by the heads of its columns."""
    return page.evaluate("""(id) => {
      const table = document.getElementById(id);
      const heads = [...table.querySelectorAll('th')].map((cell) => cell.textContent);
      return [...table.querySelectorAll('tbody tr')].map((row) =>
        Object.fromEntries([...row.children].map((cell, at) => [heads[at], cell.textContent])));
    }""", table)


def number(text):
    return int(text.replace(",", ""))


def equals_the_metrics(page, proxy):
    becomes(page, "Number(document.body.dataset.messages) >= 6")
    metrics = proxy.metrics()
    table = next(row for row in rows(page, "tables") if row["Table"] == "app.users")
    name = 'shardlane_tablet_%s_total{table="app.users"}'
    assert number(table["Hits"]) == metrics[name % "hits"], (table, metrics[name % "hits"])
    assert number(table["Misses"]) == metrics[name % "feedback"], (table, metrics[name % "feedback"])
    assert number(table["Requests"]) == 2 * KEYS, table
    reasons = re.findall(r'shardlane_routing_total\{reason="(\w+)"', "\n".join(metrics))
    for row in rows(page, "reasons"):
        # A row says the reason, then the advice.
        reason = max((name for name in reasons if row["Reason"].startswith(name)), key=len)
        assert number(row["Requests"]) == metrics['shardlane_routing_total{reason="%s"}' % reason], (row, reason)
    clients = rows(page, "clients")
    assert sum(number(row["Clients"]) for row in clients) == metrics["shardlane_client_connections"], clients
    lanes = rows(page, "lanes")
    assert sum(number(row["Open"]) for row in lanes) == 6, lanes
    statements = rows(page, "statements")
    assert statements[0]["Route"] == "none" and "whole partition key" in statements[0]["Statement"], statements
    assert not any("secret" in row["Statement"] for row in statements), statements


@case(deadline=240, python="python-page")
def the_page_shows_what_the_metrics_say(stage):
    sim = stage.sim(3, 2)
    proxy = stage.proxy(sim.hosts[0])
    # The page is shown to the loopback, and all addresses of a case are of it.
    with browser() as chromium, direct.session(proxy.host, protocol_version=4) as s:
        s.execute(direct.CREATE % ("app", 3, ""))
        s.execute("CREATE TABLE app.users (k int, c int, v text, PRIMARY KEY (k, c))")
        write = s.prepare("INSERT INTO app.users (k, c, v) VALUES (?, 1, 'secret')")
        read = s.prepare("SELECT v FROM app.users WHERE k = ? AND c = 1")
        for k in range(KEYS):
            s.execute(write, [k])
            s.execute(read, [k])
        s.execute(s.prepare("SELECT v FROM app.users WHERE k = 1 AND c = 1"))
        page = opened(chromium, proxy.admin + "/")
        equals_the_metrics(page, proxy)
        assert page.inner_text("#state") == "ready" and "1 worker" in page.inner_text("#version")
        assert page.evaluate("document.querySelectorAll('#events li').length") >= 2, "the log is not shown"

        # Keyboard: the colours of the map, then its cells.
        page.focus("#modes button[aria-checked=true]")
        page.keyboard.press("ArrowRight")
        assert page.get_attribute("#modes [data-mode=in_flight]", "aria-checked") == "true"
        assert page.evaluate("document.activeElement.dataset.mode") == "in_flight"
        page.focus("#heat")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        assert "shard 1: " in page.inner_text("#cell") and sim.hosts[1] in page.inner_text("#cell"), page.inner_text("#cell")
        assert not page.faults, page.faults

        spent = [page.evaluate(LARGE, turn) for turn in range(2, 12)]
        log("100 nodes of 64 shards: ms a frame", spent)
        assert sorted(spent)[len(spent) // 2] < 100, "drawing takes %s ms" % spent
        page.context.close()
        for width, scheme in ((400, "light"), (400, "dark"), (1200, "dark")):
            page = opened(chromium, proxy.admin + "/", width, scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, "it is wider than %d" % width
            assert not page.faults, page.faults
            page.context.close()

        # A node that is lost keeps its row, without lanes.
        page = opened(chromium, proxy.admin + "/")
        sim.post("/sim/nodes/2/stop")
        becomes(page, "last.lanes.missing === 2")
        row = next(row for row in rows(page, "lanes") if row["Node"] == sim.hosts[2])
        assert (row["Shards"], row["Open"]) == ("2", "0"), row
        assert page.evaluate("document.querySelectorAll('#lanes td .bad').length") == 1
        assert "of 6" in page.inner_text("#figures"), page.inner_text("#figures")
        shown = s.execute("SELECT shards, lanes_open FROM shardlane.nodes WHERE address = '%s'" % sim.hosts[2]).one()
        assert shown == (2, 0), shown
        sim.post("/sim/nodes/2/start")
        becomes(page, "last.lanes.missing === 0")
        page.context.close()

        # What is selected stays while messages come.
        page = opened(chromium, proxy.admin + "/")
        page.evaluate("document.getSelection().selectAllChildren(document.querySelector('#statements tbody'))")
        seen = page.evaluate("Number(document.body.dataset.messages)")
        becomes(page, "Number(document.body.dataset.messages) >= %d" % (seen + 3))
        assert "whole partition key" in page.evaluate("String(document.getSelection())")
        page.context.close()

        # A proxy that went away is said to be away, and taken up again.
        page = opened(chromium, proxy.admin + "/")
        proxy.child.stop(30)
        becomes(page, "document.getElementById('state').className === 'lost'")
        proxy.launch()
        becomes(page, "document.getElementById('state').className === 'ready'")


@case(deadline=120)
def the_page_is_bounded_and_guarded(stage):
    sim = stage.sim(1, 2)
    proxy = stage.proxy(sim.hosts[0])
    asked = urllib.request.Request(proxy.admin + "/", headers={"Accept": "text/html"})
    with urllib.request.urlopen(asked, timeout=5) as answer:
        policy, text = answer.headers["content-security-policy"], answer.read().decode()
    assert "default-src 'none'" in policy and "unsafe" not in policy, policy
    assert "<style" not in text and " style=" not in text and "onclick" not in text, "inline code"
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text), "it loads from elsewhere"
    assert "/metrics" in fetch(proxy.admin + "/")[1], "without a browser it is a list of pages"
    streams = [urllib.request.urlopen(proxy.admin + "/events", timeout=20) for _ in range(8)]
    first = streams[0].readline(), streams[0].readline()
    assert first[0].startswith(b"retry:") and json.loads(first[1][len("data: "):])["workers"] == 1, first
    assert fetch(proxy.admin + "/events")[0] == 503, "a ninth stream is refused"
    assert fetch(proxy.admin + "/readyz")[0] == 200, "probes are not in the way"
    began = time.monotonic()
    messages = streams[0].read().count(b"data: ") + 1
    log("%d messages in %.1f s" % (messages, time.monotonic() - began))
    assert messages == 8, "a stream ends, and is taken up again"
    until("places are free again", lambda: fetch(proxy.admin + "/metrics")[0] == 200, 10)
    proxy.child.stop(30)
    proxy.words += ["--config", stage.file("off.toml", '[console]\npage = "off"\n')]
    proxy.launch()
    assert fetch(proxy.admin + "/events")[0] == 403 and fetch(proxy.admin + "/live.js")[0] == 403
