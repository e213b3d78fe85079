//! DESCRIBE.

use crate::cql::ast::Describe;
use crate::cql::ast::DescribedKind;
use crate::cql::ast::Element;
use crate::cql::error::CqlError;
use crate::cql::parser::cursor::Cursor;

/// What comes after the word DESCRIBE or DESC.
pub(crate) fn describe(cursor: &mut Cursor) -> Result<Describe, CqlError> {
    let element = element(cursor)?;
    let internals = cursor.take_words("with internals");
    if internals {
        let _passwords = cursor.take_words("and passwords");
    }
    Ok(Describe { element, internals })
}

fn element(cursor: &mut Cursor) -> Result<Element, CqlError> {
    if cursor.take_words("cluster") {
        return Ok(Element::Cluster);
    }
    if cursor.take_words("full schema") {
        return Ok(Element::Schema { full: true });
    }
    if cursor.take_words("schema") {
        return Ok(Element::Schema { full: false });
    }
    if cursor.take_words("keyspaces") {
        return Ok(Element::Keyspaces);
    }
    let only = cursor.take_words("only");
    if cursor.take_words("keyspace") {
        let name = cursor.name_at(0).filter(|_| !cursor.is_words("with internals"));
        if name.is_some() {
            cursor.next();
        }
        return Ok(Element::Keyspace { name, only });
    }
    if only {
        return cursor.refuse();
    }
    let lists = [
        ("tables", DescribedKind::Table),
        ("columnfamilies", DescribedKind::Table),
        ("types", DescribedKind::Type),
        ("functions", DescribedKind::Function),
        ("aggregates", DescribedKind::Aggregate),
    ];
    if let Some((_, kind)) = lists.into_iter().find(|(words, _)| cursor.take_words(words)) {
        return Ok(Element::List(kind));
    }
    let kinds = [
        ("table", DescribedKind::Table),
        ("columnfamily", DescribedKind::Table),
        ("materialized view", DescribedKind::View),
        ("index", DescribedKind::Index),
        ("type", DescribedKind::Type),
        ("function", DescribedKind::Function),
        ("aggregate", DescribedKind::Aggregate),
    ];
    if let Some((_, kind)) = kinds.into_iter().find(|(words, _)| cursor.take_words(words)) {
        return Ok(Element::One(kind, cursor.expect_qualified()?));
    }
    Ok(Element::Any(cursor.expect_qualified()?))
}
