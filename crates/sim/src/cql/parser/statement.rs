//! The first word of a text decides what it is.

use crate::cql::ast::Parsed;
use crate::cql::ast::Statement;
use crate::cql::error::CqlError;
use crate::cql::lexer::Kind;
use crate::cql::parser::cursor::Cursor;
use crate::cql::parser::definition;
use crate::cql::parser::describe;
use crate::cql::parser::grant;
use crate::cql::parser::modify;
use crate::cql::parser::select;
use crate::cql::parser::term;

/// Bind variables of one statement are counted in 16 bits.
const MARKERS_MAX: usize = 65_535;

/// Parses one statement; a second one behind a semicolon is refused.
pub(crate) fn parse(text: &str) -> Result<Parsed, CqlError> {
    let mut cursor = Cursor::new(text)?;
    let statement = statement(&mut cursor)?;
    while cursor.take_symbol(";") {}
    if cursor.peek().kind != Kind::End {
        return cursor.refuse();
    }
    let markers = cursor.markers;
    if markers.len() > MARKERS_MAX {
        return Err(CqlError::invalid(format!(
            "Too many markers(?). {} markers exceed the allowed maximum of {MARKERS_MAX}",
            markers.len()
        )));
    }
    Ok(Parsed { statement, markers })
}

/// Statements about roles that are not supported: `shardlane sim` changes roles by its HTTP API.
fn is_about_roles(cursor: &Cursor) -> bool {
    let object = cursor.is_word_at(1, "role") || cursor.is_word_at(1, "user");
    let verb = ["create", "alter", "drop"].into_iter().any(|verb| cursor.is_words(verb));
    (object && verb) || cursor.is_words("list")
}

fn statement(cursor: &mut Cursor) -> Result<Statement, CqlError> {
    if cursor.take_words("select") {
        return Ok(Statement::Select(select::select(cursor)?));
    }
    if cursor.take_words("begin") {
        return Ok(Statement::Batch(modify::batch(cursor)?));
    }
    if cursor.take_words("use") {
        return Ok(Statement::Use(cursor.expect_name()?));
    }
    if cursor.take_words("truncate") {
        let _table_word = cursor.take_words("table") || cursor.take_words("columnfamily");
        let table = cursor.expect_qualified()?;
        if cursor.take_words("using timeout") {
            term::term(cursor)?;
        }
        return Ok(Statement::Truncate(table));
    }
    if cursor.take_words("describe") || cursor.take_words("desc") {
        return Ok(Statement::Describe(describe::describe(cursor)?));
    }
    if let Some(grant) = grant::grant(cursor)? {
        return Ok(Statement::Grant(grant));
    }
    if is_about_roles(cursor) {
        return Err(CqlError::Unauthorized(
            "You have to be logged in and not anonymous to perform this request".to_owned(),
        ));
    }
    if let Some(modification) = modify::modification(cursor)? {
        return Ok(Statement::Modify(modification));
    }
    if cursor.is_words("create function") || cursor.is_words("create or replace function") {
        return Err(CqlError::invalid(
            "User defined functions are disabled. Set enable_user_defined_functions and \
             experimental_features:udf to enable them",
        ));
    }
    if let Some(ddl) = definition::definition(cursor)? {
        return Ok(Statement::Ddl(Box::new(ddl)));
    }
    cursor.refuse()
}
