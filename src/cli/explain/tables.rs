//! What the cluster's own tables say of one table: its key, and the tablet of a token.

use anyhow::Context;

use crate::connect::dial_error::{DialError, DialErrorAt};
use crate::control::contact::connection::ControlConnection;
use crate::control::tables::key_columns::literal;
use crate::control::tables::key_reading::KeyReading;
use crate::engine::action::{TableFact, TableRequest};
use crate::sockets::transport::Transport;
use crate::topology::id::HostId;
use crate::topology::table_key::KeyColumn;
use cql::error::WireError;
use cql::error_code::ErrorCode;
use cql::notation::Reader;
use cql::response::rows::Rows;
use cql::token::token::Token;
use cql::values::cell;
use cql::values::column_type::ColumnType;

/// A column of the partition key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ExplainedColumn {
    /// Its name.
    pub name: String,
    /// Its type, as the schema names it.
    pub kind: String,
    /// Its type as constants are read by; [`ColumnType::Custom`] for one that is not known here.
    pub value_type: ColumnType,
}

/// A row of `system.tablets`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TabletRow {
    /// Last token of the tablet before it; `None` for the first tablet, and where it cannot be read.
    pub after: Option<i64>,
    /// Last token of its range.
    pub last: i64,
    /// Host and shard of each replica.
    pub replicas: Vec<(HostId, i32)>,
}

/// Reads the columns of the partition key, in its order; none when there is no such table.
pub(crate) async fn key_columns(
    connection: &mut ControlConnection<Transport>,
    keyspace: &str,
    table: &str,
) -> anyhow::Result<Vec<ExplainedColumn>> {
    let key = key_types(connection, keyspace, table).await?;
    let (keyspace, table) = (literal(keyspace), literal(table));
    let text = format!(
        "SELECT column_name, kind, position, type FROM system_schema.columns \
         WHERE keyspace_name = {keyspace} AND table_name = {table}"
    );
    let message = connection.query(&text).await?;
    let rows = Rows::read(&message)?;
    let mut columns = Vec::new();
    for row in rows.rows() {
        let row = row?;
        let text = |column| row.read(column, cell::text).map(Option::unwrap_or_default);
        if text("kind")? == "partition_key" {
            let position = row.read("position", cell::int)?.unwrap_or_default();
            let (name, kind) = (text("column_name")?.to_owned(), text("type")?.to_owned());
            let value_type = ColumnType::Custom(kind.clone());
            columns.push((position, ExplainedColumn { name, kind, value_type }));
        }
    }
    columns.sort_by_key(|(position, _)| *position);
    let mut columns: Vec<ExplainedColumn> = columns.into_iter().map(|(_, column)| column).collect();
    for (column, read) in columns.iter_mut().zip(key.into_iter().flatten()) {
        column.value_type = read.kind;
    }
    Ok(columns)
}

/// Reads the key as workers have it read, with user-defined types in it.
async fn key_types(
    connection: &mut ControlConnection<Transport>,
    keyspace: &str,
    table: &str,
) -> anyhow::Result<Option<Box<[KeyColumn]>>> {
    let (keyspace, table) = (keyspace.into(), table.into());
    let mut reading = KeyReading::new(TableRequest { keyspace, table, wanted: TableFact::Key });
    loop {
        let message = connection.query(&reading.question()).await?;
        if let Ok(Some(key)) = reading.on_answer(Ok(&message)) {
            return Ok(key.columns);
        }
    }
}

/// Finds the tablet of a token; the inner `Err` says why the server does not show it.
pub(crate) async fn tablet(
    connection: &mut ControlConnection<Transport>,
    keyspace: &str,
    table: &str,
    token: Token,
) -> anyhow::Result<Result<TabletRow, String>> {
    let Some(id) = table_id(connection, keyspace, table).await? else {
        return Ok(Err("the schema does not hold the table's id".to_owned()));
    };
    let mut id = HostId(id);
    // A table may lie where another one lies, whose tablets it shares.
    if let Some(base) = base_table(connection, id).await? {
        id = base;
    }
    let text = format!(
        "SELECT last_token, replicas FROM system.tablets WHERE table_id = {id} AND last_token >= {} \
         LIMIT 1",
        token.value()
    );
    let message = match connection.query(&text).await {
        Ok(message) => message,
        Err(DialErrorAt { error: DialError::Refused(error, _), .. })
            if error.code == ErrorCode::UNAUTHORIZED =>
        {
            let why = "this user may not read system.tablets (GRANT SELECT ON system.tablets)";
            return Ok(Err(why.to_owned()));
        }
        Err(DialErrorAt { error: DialError::Refused(error, _), .. }) => {
            return Ok(Err(format!("the server does not show system.tablets: {}", error.message)));
        }
        Err(error) => return Err(error.into()),
    };
    let rows = Rows::read(&message)?;
    let Some(row) = rows.rows().next().transpose()? else {
        return Ok(Err("system.tablets has no tablet of this table".to_owned()));
    };
    let last = row.read("last_token", cell::bigint)?.context("a tablet without last_token")?;
    let replicas = row.read("replicas", read_replicas)?.unwrap_or_default();
    let after = last_before(connection, id, token).await?;
    Ok(Ok(TabletRow { after, last, replicas }))
}

/// The last token of the tablet before that of `token`.
async fn last_before(
    connection: &mut ControlConnection<Transport>,
    id: HostId,
    token: Token,
) -> anyhow::Result<Option<i64>> {
    let text = format!(
        "SELECT last_token FROM system.tablets WHERE table_id = {id} AND last_token < {} \
         ORDER BY last_token DESC LIMIT 1",
        token.value()
    );
    let message = match connection.query(&text).await {
        Ok(message) => message,
        Err(DialErrorAt { error: DialError::Refused(..), .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let rows = Rows::read(&message)?;
    let Some(row) = rows.rows().next().transpose()? else { return Ok(None) };
    Ok(row.read("last_token", cell::bigint)?)
}

async fn table_id(
    connection: &mut ControlConnection<Transport>,
    keyspace: &str,
    table: &str,
) -> anyhow::Result<Option<[u8; 16]>> {
    let names = [("tables", "table_name"), ("views", "view_name")];
    for (list, column) in names {
        let text = format!(
            "SELECT id FROM system_schema.{list} WHERE keyspace_name = {} AND {column} = {}",
            literal(keyspace),
            literal(table)
        );
        let message = connection.query(&text).await?;
        let rows = Rows::read(&message)?;
        if let Some(row) = rows.rows().next().transpose()? {
            return Ok(row.read("id", cell::uuid)?);
        }
    }
    Ok(None)
}

/// The table whose tablets this one shares. Servers that know no such thing lack the column.
async fn base_table(
    connection: &mut ControlConnection<Transport>,
    id: HostId,
) -> anyhow::Result<Option<HostId>> {
    let text = format!("SELECT base_table FROM system.tablets WHERE table_id = {id} LIMIT 1");
    let message = match connection.query(&text).await {
        Ok(message) => message,
        Err(DialErrorAt { error: DialError::Refused(..), .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let rows = Rows::read(&message)?;
    let Some(row) = rows.rows().next().transpose()? else { return Ok(None) };
    Ok(row.read("base_table", cell::uuid)?.map(HostId))
}

/// Reads `list<tuple<uuid, int>>`.
fn read_replicas(bytes: &[u8]) -> Result<Vec<(HostId, i32)>, WireError> {
    let mut replicas = Vec::new();
    for tuple in cell::list(bytes)?.into_iter().flatten() {
        let mut reader = Reader::new(tuple);
        if let (Some(host), Some(shard)) = (reader.bytes()?, reader.bytes()?) {
            replicas.push((HostId(cell::uuid(host)?), cell::int(shard)?));
        }
    }
    Ok(replicas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cql::notation::{put_bytes, put_int};

    #[test]
    fn replicas_are_read_in_the_servers_order() {
        let mut tuple = Vec::new();
        put_bytes(&mut tuple, Some(&[7; 16]));
        put_bytes(&mut tuple, Some(&[0, 0, 0, 5]));
        let mut list = Vec::new();
        put_int(&mut list, 1);
        put_bytes(&mut list, Some(&tuple));
        assert_eq!(read_replicas(&list), Ok(vec![(HostId([7; 16]), 5)]));
        assert!(read_replicas(&list[..20]).is_err());
    }
}
