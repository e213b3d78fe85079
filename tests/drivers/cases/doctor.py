"""The doctor before clusters with TLS, in states that only real certificates make."""
import tempfile
from pathlib import Path

from cases.usage import shardlane
from certificates import Authority
from stage import case

NODES, SHARDS = 2, 2


def finds(code, words, *wanted):
    found, said = shardlane("doctor", *words)
    assert found == code, "exit code %s: %s" % (found, said)
    missing = [text for text in wanted if text not in said]
    assert not missing, "does not say %s: %s" % (missing, said)


@case(deadline=120)
def doctor_tells_what_is_wrong_with_tls(stage):
    folder = Path(stage.enter_context(tempfile.TemporaryDirectory()))
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    names = ["IP:" + stage.address(1 + n) for n in range(NODES)]
    cert, key = ours.sign("node", *names)
    sim = stage.sim(NODES, SHARDS, 8, 1, "--tls-cert", cert, "--tls-key", key, "--tls-only")
    node = ("-c", sim.hosts[0])
    finds(0, (*node, "--tls-ca", ours.ca), "ok    tls        on", "2 of 2 shards reached", "0 to mend")
    finds(1, node, "BAD   contact", "the node expects TLS at this port", "set tls.ca to the file with its CA")
    finds(1, (*node, "--tls-ca", theirs.ca), "BAD   contact", "signed the node's certificate", "give the CA of the nodes")
    finds(1, (*node, "--tls-ca", ours.ca, "--tls-server-name", "elsewhere.invalid"), "bears another name",
          "set tls.server_name to a name that it bears")
