"""Clients with credentials of their own: the cluster judges each, and no client ever has another's rights."""
import contextlib
import hashlib
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import direct
from stage import LAB, ROOT, case, log, until

ROOT_NAME, ROOT_PASSWORD = "root", "root's secret"
RECHECK_S = 3


def plain(user, password):
    from cassandra.auth import PlainTextAuthProvider
    return PlainTextAuthProvider(user, password)


def new_cluster(host, provider, **more):
    """A driver that neither reads the schema nor waits long: there are hundreds of them."""
    from cassandra.cluster import Cluster, EXEC_PROFILE_DEFAULT, ExecutionProfile
    from cassandra.policies import ConstantReconnectionPolicy, RoundRobinPolicy
    profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=20)
    options = dict(executor_threads=1, connect_timeout=30, control_connection_timeout=30,
                   schema_metadata_enabled=False, token_metadata_enabled=False, compression=False,
                   reconnection_policy=ConstantReconnectionPolicy(0.5))
    return Cluster([host], auth_provider=provider, execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                   **{**options, **more})


@contextlib.contextmanager
def login(host, user, password, **more):
    cluster = new_cluster(host, plain(user, password), **more)
    try:
        yield cluster.connect()
    finally:
        cluster.shutdown()


def words(host, user, password):
    """What a client gets that is not let in: code and text of the server's ERROR."""
    from cassandra.cluster import NoHostAvailable
    try:
        with login(host, user, password):
            return None
    except NoHostAvailable as e:
        told = [(type(cause).__name__, re.sub(r".*(Error from server: .*)", r"\1", str(cause)))
                for cause in e.errors.values()]
        assert len(told) == 1, e
        return told[0]


class SimRoles:
    """Roles of the simulated cluster."""

    def __init__(self, sim):
        self.sim = sim

    def create(self, name, password):
        self.sim.post("/sim/roles/%s/create" % name, password=password)

    def password(self, name, password):
        self.sim.post("/sim/roles/%s/password" % name, password=password)

    def drop(self, name):
        self.sim.post("/sim/roles/%s/drop" % name)

    def grant(self, name, keyspace, table):
        self.sim.post("/sim/roles/%s/grant" % name, ks=keyspace, table=table)


class CqlRoles:
    """Roles of a real cluster."""

    def __init__(self, session):
        self.session = session

    def create(self, name, password):
        self.session.execute("CREATE ROLE %s WITH PASSWORD = '%s' AND LOGIN = true" % (name, password))

    def password(self, name, password):
        until("Cassandra accepts a new password for %s" % name, lambda: self.change(name, password), 20, 1)

    def change(self, name, password):
        """Whether the password is changed: Cassandra changes one at most every five seconds, creation included."""
        from cassandra.cluster import NoHostAvailable
        try:
            self.session.execute("ALTER ROLE %s WITH PASSWORD = '%s'" % (name, password))
        except NoHostAvailable as error:  # it answers "overloaded", and there is no other node
            if "can only be changed every" not in str(error):
                raise
            return False
        return True

    def drop(self, name):
        self.session.execute("DROP ROLE %s" % name)

    def grant(self, name, keyspace, table):
        for right in ("SELECT", "MODIFY"):
            self.session.execute("GRANT %s ON %s.%s TO %s" % (right, keyspace, table, name))


def populate(admin, roles, users):
    """A table for each user, which no other user may touch."""
    admin.execute(direct.CREATE % ("own", 1, ""))
    for user in users:
        admin.execute("CREATE TABLE own.%s (k int PRIMARY KEY, who text)" % user)
        roles.create(user, "pw of " + user)
        roles.grant(user, "own", user)


class Client(threading.Thread):
    """One client: writes and reads its user's table, and tries another's, until it is stopped."""

    def __init__(self, number, host, user, victim, stop):
        super().__init__(daemon=True)
        self.number, self.user, self.victim, self.stop = number, user, victim, stop
        self.cluster = new_cluster(host, plain(user, "pw of " + user))
        self.session = self.cluster.connect()
        self.own = self.refused = self.lost = 0
        self.faults = []

    def prepare(self):
        from cassandra import Unauthorized
        s = self.session
        self.write = s.prepare("INSERT INTO own.%s (k, who) VALUES (?, ?)" % self.user)
        self.read = s.prepare("SELECT k, who FROM own.%s WHERE k = ?" % self.user)
        try:
            self.steal = s.prepare("INSERT INTO own.%s (k, who) VALUES (?, ?)" % self.victim)
        except Unauthorized:
            self.steal = None

    def run(self):
        from cassandra import DriverException, Unauthorized
        from cassandra.cluster import NoHostAvailable
        turn = 0
        while not self.stop.is_set():
            turn += 1
            key = self.number * 1_000_000 + turn
            forbidden = turn % 3 == 0
            try:
                if not forbidden:
                    self.session.execute(self.write, (key, self.user))
                    rows = list(self.session.execute(self.read, (key,)))
                    if [tuple(row) for row in rows] != [(key, self.user)]:
                        self.faults.append("read %s instead of its own" % rows)
                    self.own += 1
                elif turn % 2 and self.steal:
                    self.session.execute(self.steal, (key, self.user))
                    self.faults.append("wrote into the table of " + self.victim)
                else:
                    self.session.execute("SELECT * FROM own.%s LIMIT 1" % self.victim)
                    self.faults.append("read the table of " + self.victim)
            except Unauthorized as e:
                if forbidden and "User %s has no " % self.user in str(e) and "own." + self.victim in str(e):
                    self.refused += 1
                else:
                    self.faults.append("unauthorized: %s" % e)
            except (DriverException, NoHostAvailable):
                self.lost += 1
                time.sleep(0.2)


def no_client_has_anothers_rights(host, admin, users, count, disturb):
    stop = threading.Event()
    started = time.monotonic()

    def start(number):
        at = number % len(users)
        return Client(number, host, users[at], users[(at + 1 + number // len(users)) % len(users)], stop)
    with ThreadPoolExecutor(32) as pool:
        clients = list(pool.map(start, range(count)))
        log("%d clients are in after %.1f s" % (count, time.monotonic() - started))
        list(pool.map(Client.prepare, clients))
    for client in clients:
        client.start()
    try:
        disturb(clients)
    finally:
        stop.set()
    for client in clients:
        client.join(60)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda client: client.cluster.shutdown(), clients))
    faults = ["%d as %s: %s" % (client.number, client.user, fault) for client in clients for fault in client.faults]
    sums = {what: sum(getattr(client, what) for client in clients) for what in ("own", "refused", "lost")}
    log(sums, faults[:5])
    assert not faults, "%d faults: %s" % (len(faults), faults[:3])
    assert all(client.own and client.refused for client in clients), "some clients got nothing done: %s" % sums
    for user in users:
        who = {row.who for row in admin.execute("SELECT who FROM own.%s" % user)}
        assert who == {user}, "in the table of %s wrote %s" % (user, who)
    return sums


def progress(clients, seconds=60):
    """Every client gets something done, and is refused something, from now on."""
    before = {client: (client.own, client.refused) for client in clients}
    until("every client goes on", lambda: all(
        client.own > own and client.refused > refused for client, (own, refused) in before.items()), seconds)


def a_wrong_password_is_refused_in_the_clusters_words(cluster, proxy, user):
    for name, password in ((user, "guess"), ("nobody", "guess"), (user, "")):
        told, through = words(cluster, name, password), words(proxy, name, password)
        log(name, "direct", told, "through", through)
        assert told == through and told[0] == "AuthenticationFailed", (told, through)


def a_changed_password_and_a_dropped_role_end_it(proxy, roles, changed, dropped, other):
    from cassandra.cluster import NoHostAvailable

    def is_cut_off(session, user):
        try:
            session.execute("SELECT * FROM own.%s LIMIT 1" % user)
            return False
        except NoHostAvailable:
            return True
        except Exception as e:  # what Cassandra says of a role that is gone comes in many kinds
            log(user, type(e).__name__, e)
            return False
    with login(proxy.host, changed, "pw of " + changed) as first, login(proxy.host, dropped, "pw of " + dropped) as \
            second, login(proxy.host, other, "pw of " + other) as third:
        for session, user in ((first, changed), (second, dropped), (third, other)):
            session.execute("SELECT * FROM own.%s LIMIT 1" % user)
        roles.password(changed, "another")
        roles.drop(dropped)
        # No client has tried the old password again: the proxy asks by itself.
        until("the client with the old password is closed", lambda: is_cut_off(first, changed), 30, 0.5)
        until("the client with the dropped role is closed", lambda: is_cut_off(second, dropped), 30, 0.5)
        # The server itself may remember a password for two seconds.
        until("the old password is refused", lambda: words(proxy.host, changed, "pw of " + changed), 15, 0.5)
        until("the dropped role is refused", lambda: words(proxy.host, dropped, "pw of " + dropped), 15, 0.5)
        with login(proxy.host, changed, "another") as again:
            again.execute("SELECT * FROM own.%s LIMIT 1" % changed)
        third.execute("SELECT * FROM own.%s LIMIT 1" % other)
    assert proxy.metrics()['shardlane_clients_rejected_total{reason="login_withdrawn"}'] >= 2
    said = proxy.child.error_path.read_text(encoding="utf-8")
    withdrawn = [line for line in said.splitlines() if "no longer accepts a login" in line]
    for user in (changed, dropped):
        assert any(user in line for line in withdrawn), "the log does not name %s: %s" % (user, withdrawn)
    assert "pw of " not in said and not any(other in line for line in withdrawn), withdrawn


def settings_file(stage, text):
    folder = stage.enter_context(tempfile.TemporaryDirectory())
    path = Path(folder, "shardlane.toml")
    path.write_text(text)
    return path


def no_secret_is_told(proxy, *secrets):
    said = "\n".join(proxy.child.lines) + proxy.child.error_path.read_text() + str(proxy.metrics())
    for secret in secrets:
        assert secret not in said, "the proxy shows a password"


def passing_through(stage, contact, *more, limits=""):
    """A proxy without a role of its own, at the most verbose level of logs."""
    text = '[auth]\nrecheck_s = %d\n[log]\nlevel = "debug"\n%s' % (RECHECK_S, limits)
    return stage.proxy(contact, "--config", settings_file(stage, text), *more)


@case(deadline=420)
def auth_sim(stage):
    users = ["user%02d" % n for n in range(20)]
    sim = stage.sim(3, 2, 16, 1, "--user", "%s:%s" % (ROOT_NAME, ROOT_PASSWORD))
    roles, proxy = SimRoles(sim), passing_through(stage, sim.hosts[0])
    admin = stage.enter_context(login(sim.hosts[0], ROOT_NAME, ROOT_PASSWORD))
    populate(admin, roles, users)
    a_wrong_password_is_refused_in_the_clusters_words(sim.hosts[0], proxy.host, users[0])
    assert words(proxy.host, users[0], "pw of " + users[0]) is None
    with login(proxy.host, users[1], "pw of " + users[1], protocol_version=3) as old:
        old.execute("INSERT INTO own.user01 (k, who) VALUES (1, 'user01')")

    def disturb(clients):
        progress(clients)
        for node in (1, 2):
            sim.post("/sim/nodes/%d/stop" % node)
            time.sleep(3)
            sim.post("/sim/nodes/%d/start" % node)
            progress(clients)
        proxy.child.process.poll()
        assert proxy.metrics()["shardlane_credentials"] >= len(users)
    no_client_has_anothers_rights(proxy.host, admin, users, 200, disturb)
    a_changed_password_and_a_dropped_role_end_it(proxy, roles, users[2], users[3], users[4])
    no_secret_is_told(proxy, "pw of ", ROOT_PASSWORD)
    until("no credentials are kept", lambda: proxy.metrics()["shardlane_credentials"] == 0, 90, 1)
    assert words(proxy.host, users[5], "pw of " + users[5]) is None, "the first after a while"


@case(deadline=120)
def auth_sim_bounds_and_modes(stage):
    from cassandra.cluster import NoHostAvailable
    sim = stage.sim(1, 2, 16, 1, "--user", "%s:%s" % (ROOT_NAME, ROOT_PASSWORD), "--user", "app:first-secret")
    proxy = passing_through(stage, sim.hosts[0], "--workers", "2", limits="[limits]\ncredentials_max = 1\n")
    with login(proxy.host, "app", "first-secret") as first, login(proxy.host, "app", "first-secret") as second:
        for session in (first, second):
            session.execute("SELECT key FROM system.local")
        try:
            with login(proxy.host, ROOT_NAME, ROOT_PASSWORD):
                raise AssertionError("there was no room")
        except NoHostAvailable as e:
            assert "limits.credentials_max" in str(e.errors), e.errors
    # The proxy's own role: clients need none, and its password may change while it runs.
    password = settings_file(stage, "first-secret\n")
    service = stage.proxy(sim.hosts[0], "--username", "app", "--password-file", password, last=101)
    with direct.session(service.host) as s:
        s.execute(direct.CREATE % ("own", 1, ""))
        SimRoles(sim).password("app", "next-secret")
        password.write_text("next-secret\n")
        until("the new password is read", lambda: "new password" in service.child.error_path.read_text(), 20)
        sim.post("/sim/nodes/0/stop")
        sim.post("/sim/nodes/0/start")

        def works():
            with contextlib.suppress(Exception):
                return list(s.execute("SELECT * FROM system_schema.keyspaces"))
        until("the proxy is in again", works, 60, 0.5)
    no_secret_is_told(service, "first-secret", "next-secret")


@case(deadline=120)
def auth_sim_challenge(stage):
    from cassandra.auth import Authenticator, AuthProvider

    class Challenged(Authenticator):
        def __init__(self, user, password):
            self.user, self.password = user, password

        def initial_response(self):
            return self.user.encode()

        def evaluate_challenge(self, challenge):
            return hashlib.md5(challenge + self.password.encode()).digest()

    class Provider(AuthProvider):
        def __init__(self, user, password):
            self.user, self.password = user, password

        def new_authenticator(self, host):
            return Challenged(self.user, self.password)
    sim = stage.sim(2, 2, 16, 1, "--challenge", "--user", "%s:%s" % (ROOT_NAME, ROOT_PASSWORD))
    password = settings_file(stage, ROOT_PASSWORD + "\n")
    proxy = passing_through(stage, sim.hosts[0], "--auth-mode", "pass-through", "--username", ROOT_NAME,
                            "--password-file", password)
    roles = SimRoles(sim)
    admin = stage.enter_context(login(sim.hosts[0], ROOT_NAME, ROOT_PASSWORD))
    users = ["ann", "bob"]
    populate(admin, roles, users)
    for user in users:
        clusters = [new_cluster(proxy.host, Provider(user, "pw of " + user)) for _ in range(5)]
        try:
            for cluster in clusters:
                session = cluster.connect()
                session.execute("USE own")
                write = session.prepare("INSERT INTO %s (k, who) VALUES (?, ?)" % user)
                for k in range(20):
                    session.execute(write, (k, user))
                assert len(list(session.execute("SELECT * FROM %s" % user))) == 20
        finally:
            for cluster in clusters:
                cluster.shutdown()
    told = [words_of(new_cluster(host, Provider("ann", "guess"))) for host in (sim.hosts[0], proxy.host)]
    assert told[0] == told[1] and "AuthenticationFailed" in told[0], told
    assert proxy.metrics()['shardlane_routing_total{reason="dedicated"}'] > 200, "each over its own connection"
    until("no connection is left over", lambda: sum(
        sum(node["connections"]) for node in sim.nodes()) <= 8, 20)


def words_of(cluster):
    from cassandra.cluster import NoHostAvailable
    try:
        cluster.connect()
    except NoHostAvailable as e:
        return re.sub(r"127[.\d:]+", "host", str(sorted(map(repr, e.errors.values()))))
    finally:
        cluster.shutdown()
    return None


@contextlib.contextmanager
def cassandra_with_passwords(stage):
    """One node of real Cassandra that asks for passwords and checks rights."""
    name, ip = "auth-" + stage.net.replace(".", "-"), stage.address(200)
    octet = int(stage.net.split(".")[1])

    def lab(*more, seconds=400):
        done = subprocess.run([sys.executable, str(LAB), "--name", name, *map(str, more)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, cwd=ROOT)
        assert done.returncode == 0, done.stdout[-800:]
    try:
        lab("install")
        lab("start", 1, "--auth", "--fresh", "--ip-base", ip, "--jmx-port", 7900 + octet,
            "--set", "auto_snapshot=false", "--set", "permissions_validity=1s", "--set", "roles_validity=1s",
            "--set", "credentials_validity=1s")
        yield ip
    finally:
        lab("clean", seconds=120)


@case(deadline=600)
def auth_cassandra(stage):
    users = ["user%02d" % n for n in range(8)]
    ip = stage.enter_context(cassandra_with_passwords(stage))
    proxy = passing_through(stage, ip)
    admin = stage.enter_context(login(ip, "cassandra", "cassandra"))
    roles = CqlRoles(admin)
    populate(admin, roles, users)
    until("the last role can log in", lambda: words(ip, users[-1], "pw of " + users[-1]) is None, 20)
    a_wrong_password_is_refused_in_the_clusters_words(ip, proxy.host, users[0])
    no_client_has_anothers_rights(proxy.host, admin, users, 40, lambda clients: [progress(clients) for _ in range(3)])
    a_changed_password_and_a_dropped_role_end_it(proxy, roles, users[2], users[3], users[4])
    no_secret_is_told(proxy, "pw of ")
