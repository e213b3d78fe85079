"""The operator's pages: what the source says is in them, and what they link to is there."""
import re
from pathlib import Path

import tools
from checks import ROOT, metrics, read, run, test
from checks.alerts import OTHERS

SOURCE = ROOT / "src"
PAGES = ("docs/operations.md", "docs/kubernetes.md", "docs/migrating.md", "deploy/kubernetes/README.md", "deploy/helm/README.md")
LITERAL = r'"((?:[^"\\]|\\.|\\\n)*)"'


def code(path):
    """A file without its comments and tests."""
    text = re.split(r"#\[cfg\(test\)\]\s*mod tests \{", path.read_text(encoding="utf-8"))[0]
    return re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)


def files(*folders):
    for name in folders:
        for path in sorted((SOURCE / name).rglob("*.rs")) if (SOURCE / name).is_dir() else []:
            if path.name != "tests.rs" and "tests" not in path.parts and "fake" not in path.name:
                yield path


def plain(literal):
    """A literal as it is printed, with … for what is filled in."""
    return re.sub(r"\{[^}]*\}", "…", re.sub(r"\\\n\s*", "", literal)).replace('\\"', '"')


def own_errors():
    """Texts of ERROR frames in which shardlane names itself."""
    found = {plain(l) for path in files(*[p.name for p in SOURCE.iterdir()]) if path.relative_to(SOURCE).parts[0] in
             ("engine", "facade", "worker", "auth", "session") for l in re.findall(LITERAL, code(path))}
    return {text for text in found if re.search(r"\bshardlane\b", text) and " " in text}


def log_lines():
    """Messages of the levels warn and error."""
    found = set()
    for path in files(*[p.name for p in SOURCE.iterdir()]):
        for call in re.findall(r"tracing::(?:warn|error)!\((.*?)\);", code(path), re.DOTALL):
            texts = [plain(l) for l in re.findall(LITERAL, call)]
            found.update(text for text in texts[-1:] if text != "…")
    return found


def topics():
    """What findings of `doctor` are about."""
    text = "".join(code(path) for path in files("cli") if "doctor" in path.parts)
    return set(re.findall(r"findings\s*\.(?:ok|warn|bad)\(\s*\"(\w+)\"", text)) | set(re.findall(r'const TOPIC: &str = "(\w+)"', text))


@test
def every_error_of_ours_is_in_the_run_book():
    book = read("docs/operations.md")
    assert len(own_errors()) > 12, "the source has changed its form: %s" % own_errors()
    missing = {text for text in own_errors() if text not in book}
    assert not missing, "docs/operations.md, Errors that applications see, lacks %s" % sorted(missing)


@test
def every_warning_of_the_log_is_in_the_run_book():
    book = read("docs/operations.md")
    assert len(log_lines()) > 15, "the source has changed its form: %s" % log_lines()
    missing = {text for text in log_lines() if text not in book}
    assert not missing, "docs/operations.md, Warnings and errors in the log, lacks %s" % sorted(missing)


@test
def every_text_of_the_run_book_is_in_the_source():
    """In the tables of errors and log lines: a text that is never printed is never searched for."""
    source = " ".join(plain(l) for path in [*files(*[p.name for p in SOURCE.iterdir()])] for l in re.findall(LITERAL, code(path)))
    book = read("docs/operations.md")
    tables = book[book.index("## Errors that applications see"):book.index("## Memory")]
    cells = re.findall(r"^\| (`.*?) \|", tables, re.MULTILINE)
    texts = [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]
    assert len(texts) > 30, texts
    strange = [text for text in texts if not all(part.strip() in source for part in text.split("…"))]
    assert not strange, "docs/operations.md has texts that the program does not print: %s" % strange


@test
def every_topic_of_doctor_is_in_the_run_book():
    book = read("docs/operations.md")
    table = book[book.index("## Findings of doctor"):book.index("## Errors that applications see")]
    listed = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert topics() == listed, "differ: %s" % (topics() ^ listed)


@test
def every_reason_is_in_the_run_book():
    reasons = set(re.findall(r'Self::\w+ => "(\w+)"', code(SOURCE / "routing/decision.rs")))
    book = read("docs/operations.md")
    table = book[book.index("## Reasons"):book.index("## Findings of doctor")]
    listed = {word for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)}
    assert len(reasons) > 10 and reasons == listed, "differ: %s" % (reasons ^ listed)


@test
def every_metric_that_the_pages_name_exists():
    others = OTHERS | {"container_cpu_cfs_throttled_periods_total"}
    for page in PAGES:
        words = re.findall(r"\bshardlane_[a-z_]+[a-z]\b", read(page))
        strange = {w for w in words if w not in metrics() and not any(m.startswith(w + "_") for m in metrics())}
        assert not strange - others - {"shardlane_"}, "%s names %s" % (page, strange)


@test
def every_setting_that_the_pages_name_exists():
    tables = set(re.findall(r"^\[(\w+)\]", read("config/shardlane.toml"), re.MULTILINE))
    known, table = set(), ""
    for line in read("config/shardlane.toml").splitlines():
        if line.startswith("["):
            table = line.strip("[]") + "."
        elif re.match(r"#? ?\w+ = ", line):
            known.add(table + re.match(r"#? ?(\w+) = ", line).group(1))
    for page in PAGES:
        named = {s for s in re.findall(r"`((?:%s)\.\w+)" % "|".join(tables), read(page))}
        strange = named - known - {"tls.crt", "tls.key"}
        assert not strange, "%s names settings that do not exist: %s" % (page, strange)


@test
def every_flag_that_stands_for_one_of_cql_proxy_exists():
    page = read("docs/migrating.md")
    rows = re.findall(r"^\| ([^|]*) \| ([^|]*) \|$", page[page.index("| cql-proxy | shardlane |"):], re.MULTILINE)[2:]
    assert len(rows) > 20, rows
    help_text = run(tools.binary(), "run", "--help")
    for theirs, ours in rows:
        for flag in re.findall(r"(?<![\w-])--?[a-z][\w-]*", ours):
            assert re.search(r"(?<![\w-])%s\b" % flag, help_text), "%s: %s" % (theirs, flag)
        for variable in re.findall(r"\$SHARDLANE_(\w+)", ours):
            flag = "--" + variable.lower().replace("_", "-")
            assert flag in help_text or variable == "LOG_LEVEL", variable
    last = re.findall(r"^shardlane run (.+)$", page, re.MULTILINE)
    assert last and all(flag in help_text for line in last for flag in re.findall(r"--[a-z-]+", line)), last


@test
def every_module_whose_log_level_the_pages_set_exists():
    found = [(page, module) for page in (*PAGES, "docs/tls.md") for module in re.findall(r"shardlane::(\w+)=", read(page))]
    assert found and not [(p, m) for p, m in found if not (SOURCE / m).is_dir() and not (SOURCE / (m + ".rs")).exists()], found


def anchors(text):
    """Of GitHub's headings."""
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@test
def every_link_of_the_pages_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)]+)\)", read(page)):
            if target.startswith("http"):
                continue
            path, _, anchor = target.partition("#")
            file = (Path(ROOT, page).parent / path).resolve() if path else Path(ROOT, page)
            assert file.exists(), "%s links to %s" % (page, target)
            if anchor:
                assert anchor in anchors(file.read_text()), "%s links to %s" % (page, target)


@test
def every_path_of_the_repository_that_the_pages_name_exists():
    for page in PAGES:
        for path in re.findall(r"\b((?:deploy|docs|config|tests)/[\w./-]+\w)", read(page)):
            assert (ROOT / path).exists(), "%s names %s" % (page, path)
