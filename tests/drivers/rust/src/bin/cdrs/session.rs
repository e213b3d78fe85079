//! A session, and what it is asked.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use cdrs_tokio::authenticators::NoneAuthenticatorProvider;
use cdrs_tokio::cluster::NodeTcpConfigBuilder;
use cdrs_tokio::cluster::TcpConnectionManager;
use cdrs_tokio::cluster::session::Session;
use cdrs_tokio::cluster::session::SessionBuilder;
use cdrs_tokio::cluster::session::TcpSessionBuilder;
use cdrs_tokio::compression::Compression;
use cdrs_tokio::consistency::Consistency;
use cdrs_tokio::frame::Envelope;
use cdrs_tokio::frame::Version;
use cdrs_tokio::load_balancing::TopologyAwareLoadBalancingStrategy;
use cdrs_tokio::query::PreparedQuery;
use cdrs_tokio::query::QueryValues;
use cdrs_tokio::retry::ConstantReconnectionPolicy;
use cdrs_tokio::statement::StatementParams;
use cdrs_tokio::statement::StatementParamsBuilder;
use cdrs_tokio::transport::TransportTcp;
use cdrs_tokio::types::ByName;
use cdrs_tokio::types::IntoRustByName;
use cdrs_tokio::types::rows::Row;
use rust_driver_tests::Args;
use rust_driver_tests::Outcome;
use uuid::Uuid;

type Balanced = TopologyAwareLoadBalancingStrategy<TransportTcp, TcpConnectionManager>;
pub(crate) type Current = Session<TransportTcp, TcpConnectionManager, Balanced>;

pub(crate) async fn connect(
    args: &Args,
    keyspace: Option<&str>,
) -> Result<Current, Box<dyn Error>> {
    let address = format!("{}:{}", args.get("host", ""), args.get("port", "9042"));
    let version = if args.get("version", "4") == "3" { Version::V3 } else { Version::V4 };
    let config = NodeTcpConfigBuilder::new()
        .with_contact_point(address.into())
        .with_authenticator_provider(Arc::new(NoneAuthenticatorProvider))
        .with_version(version)
        .build()
        .await?;
    let compression = match args.get("compression", "none") {
        "lz4" => Compression::Lz4,
        "snappy" => Compression::Snappy,
        _ => Compression::None,
    };
    let pause = ConstantReconnectionPolicy::new(Duration::from_millis(250));
    let mut builder = TcpSessionBuilder::new(Balanced::new(None, false), config)
        .with_compression(compression)
        .with_reconnection_policy(Arc::new(pause));
    if let Some(keyspace) = keyspace {
        builder = builder.with_keyspace(keyspace.to_owned());
    }
    Ok(builder.build().await?)
}

pub(crate) fn params(values: QueryValues) -> StatementParamsBuilder {
    StatementParamsBuilder::new().with_consistency(Consistency::Quorum).with_values(values)
}

pub(crate) fn no_values() -> StatementParams {
    StatementParamsBuilder::new().with_consistency(Consistency::Quorum).build()
}

pub(crate) fn rows_of(answer: Envelope) -> Result<Vec<Row>, Box<dyn Error>> {
    Ok(answer.response_body()?.into_rows().unwrap_or_default())
}

pub(crate) async fn run(s: &Current, text: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    rows_of(s.query_with_params(text, no_values()).await?)
}

pub(crate) async fn ask(
    s: &Current,
    text: &str,
    values: QueryValues,
) -> Result<Vec<Row>, Box<dyn Error>> {
    rows_of(s.query_with_params(text, params(values).build()).await?)
}

pub(crate) async fn execute(
    s: &Current,
    statement: &PreparedQuery,
    values: QueryValues,
) -> Result<Vec<Row>, Box<dyn Error>> {
    rows_of(s.exec_with_params(statement, &params(values).build()).await?)
}

/// Writes to all replicas: a page that is read at ONE, as the driver's pager does, then lacks nothing.
pub(crate) async fn write_to_all(
    s: &Current,
    statement: &PreparedQuery,
    values: QueryValues,
) -> Outcome {
    let params = params(values).with_consistency(Consistency::All).build();
    s.exec_with_params(statement, &params).await?;
    Ok(())
}

/// A definition, and then what other drivers do by themselves: wait until every node has it.
pub(crate) async fn define(s: &Current, text: &str) -> Outcome {
    run(s, text).await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut agreed = 0;
    // Requests go to the nodes in turn; each is asked for its own view.
    while agreed < 6 {
        let mut versions = Vec::new();
        for table in ["local", "peers"] {
            for row in run(s, &format!("SELECT schema_version FROM system.{table}")).await? {
                versions.push(row.by_name::<Uuid>("schema_version")?);
            }
        }
        versions.dedup();
        agreed = if versions.len() <= 1 { agreed + 1 } else { 0 };
        if Instant::now() > deadline {
            return Err(format!("no schema agreement after {text}").into());
        }
        if agreed == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// The column `v`, an int, of every row.
pub(crate) fn ints(rows: &[Row]) -> Result<Vec<Option<i32>>, Box<dyn Error>> {
    Ok(rows.iter().map(|row| row.get_by_name("v")).collect::<Result<_, _>>()?)
}

/// An error's kind and words; which node said it is not part of the log.
pub(crate) fn words(error: &cdrs_tokio::Error) -> String {
    if let cdrs_tokio::Error::Server { body, .. } = error {
        format!("{body:?}")
    } else {
        error.to_string()
    }
}
