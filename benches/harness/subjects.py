"""What is measured: how to start each subject in front of the fake nodes."""
import os

from .workloads import LZ4_LANES, SLOW_READERS, TEXT_EXECUTE, TLS_CLIENTS, TLS_NODES

NODES = ["127.0.77.1", "127.0.77.2", "127.0.77.3"]
PROXY = "127.0.78.1"
PORT, SHARD_PORT = 9042, 19042
STATS = ("127.0.77.250", 9999)
ADMIN = f"{PROXY}:9380"
UPSTREAM = f"{NODES[0]}:{PORT}"
LISTEN = f"{PROXY}:{PORT}"

HAPROXY = """global
    nbthread 1
    maxconn 2048
defaults
    mode tcp
    timeout connect 5s
    timeout client 10m
    timeout server 10m
listen cql
    bind {listen}{bind_tls}
{servers}
"""

NGINX = """{load}daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log warn;
events {{ worker_connections 8192; }}
stream {{
  upstream cql {{ {servers} }}
  server {{ listen {listen}; proxy_pass cql; proxy_timeout 10m; tcp_nodelay on; }}
}}
"""

NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"


def haproxy(paths, folder, nodes, options):
    tls = f" ssl verify required ca-file {paths['ca']}" if TLS_NODES in options else ""
    servers = "\n".join(f"    server s{i} {ip}:{PORT}{tls}" for i, ip in enumerate(nodes))
    bind_tls = f" ssl crt {paths['both']}" if TLS_CLIENTS in options else ""
    config = os.path.join(folder, "haproxy.cfg")
    with open(config, "w") as f:
        f.write(HAPROXY.format(listen=LISTEN, servers=servers, bind_tls=bind_tls))
    return [paths["haproxy"], "-db", "-f", config]


def nginx(paths, folder, nodes, _):
    config = os.path.join(folder, "nginx.conf")
    load = f"load_module {NGINX_STREAM};\n" if os.path.exists(NGINX_STREAM) else ""
    servers = " ".join(f"server {ip}:{PORT};" for ip in nodes)
    with open(config, "w") as f:
        f.write(NGINX.format(load=load, dir=folder, servers=servers, listen=LISTEN))
    return [paths["nginx"], "-p", folder, "-e", os.path.join(folder, "nginx-error.log"), "-c", config]


def frameproxy(*more):
    return lambda paths, folder, nodes, _: [paths["frameproxy"], "--listen", LISTEN, "--upstream", UPSTREAM, *more]


def shardlane(paths, folder, nodes, options):
    flags, variables = [], []
    if TLS_NODES in options:
        flags += ["--tls-ca", paths["ca"]]
    if TLS_CLIENTS in options:
        flags += ["--bind-tls-cert", paths["cert"], "--bind-tls-key", paths["key"]]
    if LZ4_LANES in options:
        variables.append("SHARDLANE_COMPRESSION_LANES=lz4")
    if TEXT_EXECUTE in options:
        variables.append("SHARDLANE_TEXT_MODE=execute")
    return ["env", *variables, paths["shardlane"], "run", "-c", ",".join(nodes), "--port", str(PORT), "--bind", LISTEN,
            "--admin", ADMIN, *flags]


# The subjects that open a connection to each shard, and those that speak TLS and hold slow readers up.
SHARD_AWARE = ("frame-shard", "shardlane")
WHOLE = ("direct", "haproxy", "shardlane")


def can(subject, options):
    """Whether a subject has what a workload's options are about."""
    return subject in WHOLE or not {TLS_CLIENTS, TLS_NODES, SLOW_READERS} & set(options)


# name: (what it is, command line from paths, a scratch folder and node addresses, or None)
SUBJECTS = {
    "direct": ("no proxy; the clients spread over the nodes", None),
    "haproxy": ("HAProxy, TCP mode, one thread", haproxy),
    "nginx": ("nginx stream, one process", nginx),
    "frame-mux1": ("bare frame-aware proxy, 1 upstream connection", frameproxy("--upstreams", "1")),
    "frame-mux24": ("bare frame-aware proxy, 24 upstream connections, 100,000 tablets", frameproxy("--upstreams", "24")),
    "frame-shard": ("bare frame-aware proxy, a connection to each shard, routed by the ring",
                    frameproxy("--mode", "shard", "--nodes", ",".join(NODES))),
    "shardlane": ("this project, one worker", shardlane),
}
