//! The HTTP API of a simulated cluster: administrative operations, and counters as JSON.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::spawn_local;

use crate::cluster::cluster::Cluster;
use crate::cluster::error::ClusterError;
use crate::cluster::life::member::{Member, RackName, State, Strain};
use crate::cluster::replicas::tablets::Tablet;
use crate::cluster::requests::Arrivals;
use crate::cluster::seed::uuid_text;
use crate::http_roles;
use crate::listen::listeners;
use crate::listen::world::World;

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The answer to a request: JSON, or a status and a message.
type Page = Result<Value, (StatusCode, String)>;

/// Serves the API.
pub(crate) async fn serve(world: Rc<World>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let world = Rc::clone(&world);
        let service = service_fn(move |request: Request<Incoming>| {
            let response = respond(&world, &request);
            async move { Ok::<_, Infallible>(response) }
        });
        spawn_local(async move {
            // A client that disconnects early needs no answer.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

fn respond(world: &Rc<World>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let query = Query::read(request.uri().query().unwrap_or_default());
    let path = request.uri().path().trim_end_matches('/');
    let page = listeners::administer(world, |cluster, now| {
        route(cluster, now, request.method(), path, &query)
    });
    let (status, body) = match page {
        Ok(body) => (StatusCode::OK, body),
        Err((status, message)) => (status, json!({ "error": message })),
    };
    let mut response = Response::new(Full::from(format!("{body}\n")));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn route(cluster: &mut Cluster, now: Duration, method: &Method, path: &str, query: &Query) -> Page {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let post = method == Method::POST;
    match (post, parts.as_slice()) {
        (true, ["storage_service", "tablets", "move"]) => move_tablet(cluster, query),
        (true, ["sim", "tablets", "split"]) => {
            let (keyspace, table) = query.table()?;
            done(cluster.split_tablets(&keyspace, &table).map(|count| json!({ "tablets": count })))
        }
        (true, ["sim", "tablets", "merge"]) => {
            let (keyspace, table) = query.table()?;
            done(cluster.merge_tablets(&keyspace, &table).map(|count| json!({ "tablets": count })))
        }
        (false, ["sim", "tablets"]) => tablets(cluster, query),
        (true, ["sim", "nodes", "add"]) => add(cluster, query),
        (true, ["sim", "nodes", node, action]) => {
            let node = number(node, "node")?;
            let done_to = match *action {
                "stop" => cluster.stop_node(node),
                "start" => cluster.start_node(node),
                "kill" => cluster.kill_node(node, now),
                "remove" => cluster.remove_node(node),
                "strain" => strain(cluster, node, query)?,
                "reshard" => cluster.reshard_node(node, query.number("shards")?),
                _ => return Err(unknown(path)),
            };
            done(done_to.map(|()| json!({ "node": node })))
        }
        (false, ["sim", "nodes"]) => Ok(nodes(cluster)),
        (true, ["sim", "client-routes", action]) => {
            let (id, node) = (query.text("connection_id")?, query.number("node")?);
            let done_to = match *action {
                "set" => {
                    let (address, port) = (query.text("address")?, query.number("port")?);
                    cluster.set_client_route(&id, node, &address, port)
                }
                "drop" => cluster.drop_client_route(&id, node),
                _ => return Err(unknown(path)),
            };
            done(done_to.map(|()| json!({ "node": node })))
        }
        (true, ["sim", "prepared", "forget"]) => {
            let (node, shard) = (query.maybe("node")?, query.maybe("shard")?);
            done(cluster.forget_statements(node, shard).map(|count| json!({ "forgotten": count })))
        }
        (true, ["sim", "roles", name, action]) => {
            let value = |key: &str| query.pairs.get(key).cloned();
            let changed = http_roles::change(&mut cluster.roles, name, action, value);
            changed.map(|()| json!({ "role": name })).map_err(bad)
        }
        (false, ["sim", "requests"]) => Ok(requests(cluster)),
        (true, ["sim", "requests", "reset"]) => {
            cluster.layout.reset_requests();
            Ok(json!({}))
        }
        _ => Err(unknown(path)),
    }
}

fn move_tablet(cluster: &mut Cluster, query: &Query) -> Page {
    let (keyspace, table) = query.table()?;
    let node = |key| {
        let text = query.text(key)?;
        // A number is the number of a node, anything else a host id.
        let found = text.parse().map_or_else(|_| cluster.node_of_host(&text), Ok);
        found.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
    };
    let from = (node("src_host")?, query.number("src_shard")?);
    let to = (node("dst_host")?, query.number("dst_shard")?);
    let token = query.number("token")?;
    done(cluster.move_tablet(&keyspace, &table, token, from, to).map(|()| json!({})))
}

/// Makes a node slow, overloaded, failing, or normal again, and resets its counts.
fn strain(
    cluster: &mut Cluster,
    node: usize,
    query: &Query,
) -> Result<Result<(), ClusterError>, (StatusCode, String)> {
    let strain = Strain {
        slow: Duration::from_millis(query.maybe("slow_ms")?.unwrap_or(0)),
        is_overloaded: query.maybe("overloaded")?.unwrap_or(false),
        failure: query.maybe("error")?,
        ..Strain::default()
    };
    let member = cluster.members.get_mut(node).ok_or(ClusterError::UnknownNode(node));
    Ok(member.map(|member| member.strain = strain))
}

fn add(cluster: &mut Cluster, query: &Query) -> Page {
    let shards = query.maybe("shards")?.unwrap_or(cluster.options.shards);
    let rack = match (query.pairs.get("dc"), query.pairs.get("rack")) {
        (Some(center), Some(rack)) => Some(RackName::new(center, rack)),
        (Some(center), None) => Some(RackName::new(center, "rack1")),
        (None, Some(_)) => return Err(bad("a rack needs a dc")),
        (None, None) => None,
    };
    done(cluster.add_node(shards, rack).map(|node| json!({ "node": node })))
}

fn tablets(cluster: &Cluster, query: &Query) -> Page {
    let (keyspace, name) = query.table()?;
    let table = cluster.layout.table(&keyspace, &name);
    let Some(tablets) = table.and_then(|table| table.tablets.as_ref()) else {
        return done(Err(ClusterError::NoTablets { keyspace, table: name }));
    };
    let replicas = |tablet: &Tablet| -> Vec<Value> {
        let one = |(node, shard): &(usize, u16)| {
            let host_id = cluster.members.get(*node).map(|member| uuid_text(&member.host_id));
            json!({ "node": node, "host_id": host_id, "shard": shard })
        };
        tablet.replicas.iter().map(one).collect()
    };
    let ranges = tablets.ranges().map(|(first, tablet)| {
        json!({ "first": first, "last": tablet.last, "replicas": replicas(tablet) })
    });
    Ok(json!({ "keyspace": keyspace, "table": name, "tablets": ranges.collect::<Vec<_>>() }))
}

fn nodes(cluster: &Cluster) -> Value {
    let one = |(number, member): (usize, &Member)| {
        let mut connections = vec![0_u64; usize::from(member.nr_shards())];
        for connection in cluster.connections.iter().filter(|it| it.node == number) {
            if let Some(count) = connections.get_mut(usize::from(connection.shard)) {
                *count += 1;
            }
        }
        json!({
            "node": number,
            "host_id": uuid_text(&member.host_id),
            "address": member.address,
            "port": cluster.options.port,
            "shard_aware_port": cluster.options.shard_aware_port,
            "data_center": member.data_center,
            "rack": member.rack,
            "shards": member.nr_shards(),
            "state": state(member.state),
            "connections": connections,
            "executes": member.strain.executes,
            "refused": member.strain.refused,
        })
    };
    json!({ "nodes": cluster.members.iter().enumerate().map(one).collect::<Vec<_>>() })
}

fn state(state: State) -> &'static str {
    match state {
        State::Up => "up",
        State::Silent => "killed",
        State::Down => "down",
        State::Gone => "removed",
    }
}

fn requests(cluster: &Cluster) -> Value {
    let arrivals = |it: &Arrivals| {
        json!({
            "right_shard": it.right_shard,
            "wrong_shard": it.wrong_shard,
            "non_replica": it.non_replica,
            "payloads": it.payloads,
        })
    };
    let tables = cluster.layout.tables().map(|(keyspace, name, table)| {
        json!({
            "keyspace": keyspace,
            "table": name,
            "tablets": table.tablets.is_some(),
            "routable": arrivals(&table.requests.routable),
            "text": arrivals(&table.requests.text),
            "other": arrivals(&table.requests.other),
            "unkeyed": table.requests.unkeyed,
        })
    });
    json!({ "tables": tables.collect::<Vec<_>>() })
}

fn done(result: Result<Value, ClusterError>) -> Page {
    result.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn bad(message: impl Into<String>) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, message.into())
}

fn unknown(path: &str) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("unknown path or method: {path}"))
}

fn number<T: FromStr>(text: &str, name: &str) -> Result<T, (StatusCode, String)> {
    text.parse().map_err(|_| bad(format!("invalid value '{text}' for {name}")))
}

/// The query string.
#[derive(Debug, Default)]
struct Query {
    pairs: BTreeMap<String, String>,
}

impl Query {
    fn read(text: &str) -> Self {
        Self { pairs: form_urlencoded::parse(text.as_bytes()).into_owned().collect() }
    }

    fn text(&self, key: &str) -> Result<String, (StatusCode, String)> {
        self.pairs.get(key).cloned().ok_or_else(|| bad(format!("parameter {key} is missing")))
    }

    fn table(&self) -> Result<(String, String), (StatusCode, String)> {
        Ok((self.text("ks")?, self.text("table")?))
    }

    fn number<T: FromStr>(&self, key: &str) -> Result<T, (StatusCode, String)> {
        number(&self.text(key)?, key)
    }

    fn maybe<T: FromStr>(&self, key: &str) -> Result<Option<T>, (StatusCode, String)> {
        self.pairs.get(key).map(|text| number(text, key)).transpose()
    }
}

#[cfg(test)]
mod tests;
