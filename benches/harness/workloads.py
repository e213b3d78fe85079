"""What is asked of the subjects: one letter each."""
from collections import namedtuple

Workload = namedtuple("Workload", "what nodes load requests warmup options", defaults=[()])

# Options of a workload, besides what the fake nodes and the generator are given.
TLS_CLIENTS = "TLS from clients"
TLS_NODES = "TLS to nodes"
LZ4_LANES = "lz4 to nodes"  # the nodes offer it to all; a subject that cannot ask for it does not
SLOW_READERS = "clients that read nothing"
TEXT_EXECUTE = "text run as prepared statements"  # of the product alone

# One plain node for subjects that cannot tell shards apart; a shard-aware proxy always gets the
# sharded cluster, so that it keeps its 24 lanes busy in every workload.
PLAIN = ["--nodes", "1"]
SHARDED = ["--nodes", "3", "--shards", "8"]

# The workloads in which every subject gets the sharded cluster, because routing is judged.
ROUTED = "STUHIJKLQPRN"

CLOSED = "--conns 8 --inflight 32"
OPEN = "--conns 8 --inflight 1024 --rate 20000 --poisson"
HALF = "--conns 8 --inflight 1024 --rate 10000 --poisson"

# what it is, more arguments of the fake nodes, arguments of the generator, requests, warm-up, options
WORKLOADS = {
    "A": Workload("8 connections x 32 in flight, 100 B reads", [], CLOSED, 1_000_000, 50_000),
    "B": Workload("1 connection x 1 in flight, 100 B reads", [], "--conns 1 --inflight 1", 60_000, 3_000),
    "C": Workload("64 connections x 4 in flight, 100 B reads", [], "--conns 64 --inflight 4", 600_000, 50_000),
    "D": Workload("8 connections x 32 in flight, 1 KB writes", [],
                  CLOSED + " --write-ratio 1 --value-size 1024", 500_000, 30_000),
    "E": Workload("4 connections x 4 in flight, 64 KB reads", ["--value-size", "65536"],
                  "--conns 4 --inflight 4 --value-size 65536", 40_000, 2_000),
    "F": Workload("20,000 requests/s, Poisson, over 8 connections, 100 B reads", [], OPEN, 80_000, 10_000),
    "G": Workload("as F; the nodes take 200-600 us and answer out of order",
                  ["--delay-us", "200", "--jitter-us", "400"], OPEN, 80_000, 10_000),
    "M": Workload("1,000 connections x 1 in flight, 100 B reads", [], "--conns 1000 --inflight 1", 150_000, 10_000),
    "S": Workload("as F on 3 nodes x 8 shards, vnodes: routing is judged", [], OPEN, 80_000, 10_000),
    "T": Workload("as A on 3 nodes x 8 shards, vnodes: routing is judged", [], CLOSED, 600_000, 50_000),
    "U": Workload("as S with 1,024 tablets, learnt while warming up", ["--tablets", "1024"], OPEN, 80_000, 20_000),
    "H": Workload("as S, TLS from clients", [], OPEN, 80_000, 10_000, (TLS_CLIENTS,)),
    "I": Workload("as S, TLS to nodes", [], OPEN, 80_000, 10_000, (TLS_NODES,)),
    "J": Workload("as S, TLS from clients and to nodes", [], OPEN, 80_000, 10_000, (TLS_CLIENTS, TLS_NODES)),
    "K": Workload("as T, TLS to nodes", [], CLOSED, 400_000, 40_000, (TLS_NODES,)),
    "L": Workload("as S, 4 KB reads at half the rate, lz4 to nodes", ["--value-size", "4096"], HALF + " --value-size 4096",
                  40_000, 10_000, (LZ4_LANES,)),
    "Q": Workload("as S, reads by text with constants", [], OPEN + " --text", 80_000, 10_000),
    "P": Workload("as S, writes by text of 200 bytes", [], OPEN + " --text --write-ratio 1 --value-size 66", 80_000, 10_000),
    "R": Workload("as Q, texts run as prepared statements", [], OPEN + " --text", 80_000, 10_000, (TEXT_EXECUTE,)),
    "N": Workload("as S at half the rate, beside 20 clients that ask for 1,024 x 64 KB each and read nothing", [],
                  HALF + " --hogs 20", 60_000, 10_000, (SLOW_READERS,)),
}

# The workloads in which the tail of latency is the figure: how long a neighbour has others wait.
TAIL = "N"
