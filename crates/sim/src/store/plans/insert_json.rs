//! INSERT JSON: a document becomes the columns and values of an INSERT.

use crate::cql::ast;
use crate::cql::error::CqlError;
use crate::cql::values::json;
use crate::store::definitions::schema::Table;

/// The INSERT that a JSON object stands for; columns that it leaves out become null.
pub(crate) fn expand(
    table: &Table,
    modify: &ast::Modify,
    text: &str,
    default_unset: bool,
) -> Result<ast::Modify, CqlError> {
    let Some(fields) = json::fields(text) else {
        return Err(CqlError::invalid(format!("Could not decode JSON string as a map: {text}")));
    };
    let name = |key: &str| match key.strip_prefix('"').and_then(|key| key.strip_suffix('"')) {
        Some(exact) => exact.to_owned(),
        None => key.to_lowercase(),
    };
    let known = |key: &str| table.position(&name(key)).is_some();
    if let Some((unknown, _)) = fields.iter().find(|(key, _)| !known(key)) {
        return Err(CqlError::invalid(format!(
            "JSON values map contains unrecognized column: {unknown}"
        )));
    }
    let mut columns = Vec::new();
    let mut values = Vec::new();
    for column in &table.columns {
        let found = fields.iter().find(|(key, _)| name(key) == column.name);
        if found.is_none() && default_unset {
            continue;
        }
        columns.push(column.name.clone());
        let term = found.map(|(_, value)| json::term(value, &column.column_type));
        values.push(term.unwrap_or(ast::Term::Null));
    }
    Ok(ast::Modify { action: ast::Action::Insert { columns, values }, ..modify.clone() })
}
