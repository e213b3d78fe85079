"""Certificates for one run of a case, made with the openssl program."""
import shutil
import ssl
import subprocess
from pathlib import Path

from stage import Skip

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*words):
    if not shutil.which("openssl"):
        raise Skip("openssl is not on this machine")
    done = subprocess.run(["openssl", *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, "openssl %s: %s" % (words[0], done.stderr[-400:])
    return done.stdout


class Authority:
    """A CA with its files in a folder of its own."""

    def __init__(self, folder, name):
        self.folder, self.name = Path(folder, name), name
        self.folder.mkdir(parents=True)
        self.ca, self.key = self.folder / "ca.crt", self.folder / "ca.key"
        openssl("req", "-x509", *EC, "-keyout", self.key, "-out", self.ca, "-days", 2, "-subj", "/CN=" + name)

    def sign(self, name, *alternatives):
        """The files of a certificate with these alternative names, such as IP:127.0.0.1, and of its key."""
        cert, key, request = (self.folder / (name + end) for end in (".crt", ".key", ".csr"))
        openssl("req", "-new", *EC, "-keyout", key, "-out", request, "-subj", "/CN=" + name)
        extensions = self.folder / (name + ".ext")
        extensions.write_text("basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n"
                              + ("subjectAltName=%s\n" % ",".join(alternatives) if alternatives else ""))
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.key, "-CAcreateserial", "-days", 2,
                "-extfile", extensions, "-out", cert)
        return cert, key


def context(ca, pair=None):
    """What a driver needs to speak TLS with whom `ca` signed, as the owner of `pair`."""
    made = ssl.create_default_context(cafile=str(ca))
    made.check_hostname = False
    if pair:
        made.load_cert_chain(*map(str, pair))
    return made
