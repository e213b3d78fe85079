//! The server's own keyspaces and tables.

use std::sync::Arc;

use crate::cql::ast::Ddl;
use crate::cql::ast::Statement;
use crate::cql::parser::statement;
use crate::like::Like;
use crate::store::definitions::definition;
use crate::store::definitions::schema::Schema;
use crate::store::definitions::setting::{Racks, Setting};

/// All tables of 6.2.
const TABLES_6_2: &str = include_str!("system_tables.cql");
/// What 2026.3 has beside or instead of them.
const TABLES_2026: &str = include_str!("system_tables_2026.cql");

/// The schema of a fresh server.
pub(crate) fn schema(like: Like) -> Schema {
    let mut schema = Schema::default();
    define(&mut schema, TABLES_6_2, like);
    if like >= Like::V2026_3 {
        define(&mut schema, TABLES_2026, like);
    }
    schema.generation = 0;
    schema
}

fn define(schema: &mut Schema, texts: &str, like: Like) {
    let setting = Setting {
        like,
        used: Some("system"),
        id: [0; 16],
        now_micros: 0,
        datacenters: &[],
        racks: &Racks::new(),
        internal: true,
    };
    for text in texts.lines().filter(|line| line.starts_with("CREATE")) {
        let parsed = statement::parse(text).map(|parsed| parsed.statement);
        if let Ok(Statement::Ddl(ddl)) = parsed {
            if let Ddl::CreateTable(create) = ddl.as_ref() {
                let keyspace_name = create.table.keyspace.clone().unwrap_or_default();
                let former = schema.keyspaces.get_mut(&keyspace_name);
                let _former: Option<Arc<_>> =
                    former.and_then(|keyspace| keyspace.tables.remove(&create.table.name));
            }
            let defined = definition::run(schema, &ddl, setting);
            debug_assert!(defined.is_ok(), "{defined:?} in {text}");
        } else {
            debug_assert!(false, "{parsed:?} in {text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_defines_something() {
        let lines =
            |texts: &str| texts.lines().filter(|line| line.starts_with("CREATE TABLE")).count();
        let count = |like| schema(like).keyspaces.values().map(|k| k.tables.len()).sum::<usize>();
        assert_eq!(count(Like::V6_2), lines(TABLES_6_2));
        assert_eq!(count(Like::V2026_3), lines(TABLES_6_2) + 1);
    }
}
