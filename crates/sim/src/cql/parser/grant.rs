//! GRANT and REVOKE on tables.

use crate::cluster::roles::Permission;
use crate::cql::ast::Grant;
use crate::cql::error::CqlError;
use crate::cql::parser::cursor::Cursor;

/// `GRANT SELECT ON [TABLE] ks.t TO role` or `REVOKE … FROM role`, if one stands next.
pub(crate) fn grant(cursor: &mut Cursor) -> Result<Option<Grant>, CqlError> {
    let is_given = cursor.take_words("grant");
    if !is_given && !cursor.take_words("revoke") {
        return Ok(None);
    }
    let rights = if cursor.take_words("all permissions") || cursor.take_words("all") {
        vec![Permission::Select, Permission::Modify]
    } else {
        let right = if cursor.take_words("select") {
            Permission::Select
        } else if cursor.take_words("modify") {
            Permission::Modify
        } else {
            return cursor.refuse();
        };
        let _word = cursor.take_words("permission");
        vec![right]
    };
    cursor.expect_words("on")?;
    let _word = cursor.take_words("table");
    let table = cursor.expect_qualified()?;
    cursor.expect_words(if is_given { "to" } else { "from" })?;
    Ok(Some(Grant { is_given, rights, table, role: cursor.expect_name()? }))
}
