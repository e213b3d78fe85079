//! INSERT, UPDATE, DELETE and BATCH.

use crate::cql::ast::Action;
use crate::cql::ast::Assignment;
use crate::cql::ast::Batch;
use crate::cql::ast::BatchKind;
use crate::cql::ast::Change;
use crate::cql::ast::Condition;
use crate::cql::ast::Modify;
use crate::cql::ast::Place;
use crate::cql::ast::Term;
use crate::cql::ast::Using;
use crate::cql::error::CqlError;
use crate::cql::parser::cursor::Cursor;
use crate::cql::parser::relation::condition;
use crate::cql::parser::relation::expect_where;
use crate::cql::parser::term::term;

/// A modification, if one stands next.
pub(crate) fn modification(cursor: &mut Cursor) -> Result<Option<Modify>, CqlError> {
    if cursor.take_words("insert") {
        return insert(cursor).map(Some);
    }
    if cursor.take_words("update") {
        return update(cursor).map(Some);
    }
    if cursor.take_words("delete") {
        return delete(cursor).map(Some);
    }
    Ok(None)
}

/// Everything behind `BEGIN`.
pub(crate) fn batch(cursor: &mut Cursor) -> Result<Batch, CqlError> {
    let kind = if cursor.take_words("unlogged") {
        BatchKind::Unlogged
    } else if cursor.take_words("counter") {
        BatchKind::Counter
    } else {
        BatchKind::Logged
    };
    cursor.expect_words("batch")?;
    let using = using(cursor)?;
    let mut children = Vec::new();
    while let Some(child) = modification(cursor)? {
        children.push(child);
        cursor.take_symbol(";");
    }
    cursor.expect_words("apply batch")?;
    Ok(Batch { kind, using, children })
}

fn using(cursor: &mut Cursor) -> Result<Using, CqlError> {
    let mut using = Using::default();
    if !cursor.take_words("using") {
        return Ok(using);
    }
    loop {
        if cursor.take_words("timestamp") {
            using.timestamp = Some(term(cursor)?);
        } else if cursor.take_words("ttl") {
            using.ttl = Some(term(cursor)?);
        } else if cursor.take_words("timeout") {
            using.timeout = Some(term(cursor)?);
        } else {
            return cursor.refuse();
        }
        if !cursor.take_words("and") {
            return Ok(using);
        }
    }
}

fn insert(cursor: &mut Cursor) -> Result<Modify, CqlError> {
    cursor.expect_words("into")?;
    let table = cursor.expect_qualified()?;
    let action = if cursor.take_words("json") {
        let json = term(cursor)?;
        let default_unset = cursor.take_words("default unset");
        if !default_unset {
            cursor.take_words("default null");
        }
        Action::InsertJson { json, default_unset }
    } else {
        cursor.expect_symbol("(")?;
        let columns = cursor.list(Cursor::expect_name)?;
        cursor.expect_symbol(")")?;
        cursor.expect_words("values")?;
        cursor.expect_symbol("(")?;
        let values = cursor.list(term)?;
        cursor.expect_symbol(")")?;
        Action::Insert { columns, values }
    };
    let condition = match cursor.take_words("if not exists") {
        true => Condition::NotExists,
        false => Condition::Always,
    };
    let using = using(cursor)?;
    Ok(Modify { table, action, using, relations: Vec::new(), condition })
}

fn update(cursor: &mut Cursor) -> Result<Modify, CqlError> {
    let table = cursor.expect_qualified()?;
    let using = using(cursor)?;
    cursor.expect_words("set")?;
    let assignments = cursor.list(assignment)?;
    let relations = expect_where(cursor)?;
    let condition = condition(cursor)?;
    Ok(Modify { table, action: Action::Update(assignments), using, relations, condition })
}

fn place(cursor: &mut Cursor) -> Result<Place, CqlError> {
    if cursor.take_symbol("[") {
        let key = term(cursor)?;
        cursor.expect_symbol("]")?;
        return Ok(Place::Element(key));
    }
    if cursor.take_symbol(".") {
        return Ok(Place::Field(cursor.expect_name()?));
    }
    Ok(Place::Whole)
}

fn assignment(cursor: &mut Cursor) -> Result<Assignment, CqlError> {
    let column = cursor.expect_name()?;
    let place = place(cursor)?;
    if cursor.take_symbol("+=") {
        return Ok(Assignment { column, place, change: Change::Add(term(cursor)?) });
    }
    if cursor.take_symbol("-=") {
        return Ok(Assignment { column, place, change: Change::Subtract(term(cursor)?) });
    }
    cursor.expect_symbol("=")?;
    let itself = |cursor: &Cursor, ahead: usize| cursor.name_at(ahead).as_ref() == Some(&column);
    let change = if itself(cursor, 0) && cursor.is_symbol_at(1, "+") {
        cursor.next();
        cursor.next();
        Change::Add(term(cursor)?)
    } else if itself(cursor, 0) && cursor.is_symbol_at(1, "-") {
        cursor.next();
        cursor.next();
        Change::Subtract(term(cursor)?)
    } else {
        let value = term(cursor)?;
        match cursor.take_symbol("+") {
            true if cursor.expect_name()? == column => Change::Prepend(value),
            true => return cursor.refuse(),
            false => Change::Set(value),
        }
    };
    Ok(Assignment { column, place, change })
}

fn delete(cursor: &mut Cursor) -> Result<Modify, CqlError> {
    let targets = match cursor.is_words("from") {
        true => Vec::new(),
        false => cursor.list(|cursor| Ok((cursor.expect_name()?, place(cursor)?)))?,
    };
    cursor.expect_words("from")?;
    let table = cursor.expect_qualified()?;
    let using = using(cursor)?;
    let relations = expect_where(cursor)?;
    let condition = condition(cursor)?;
    Ok(Modify { table, action: Action::Delete(targets), using, relations, condition })
}

/// The value of a property after WITH: a term, or a bare word such as `true`.
pub(crate) fn property_value(cursor: &mut Cursor) -> Result<Term, CqlError> {
    match cursor.name_at(0) {
        Some(word) if !cursor.is_symbol_at(1, "(") && word != "true" && word != "false" => {
            cursor.next();
            Ok(Term::Text(word))
        }
        _ => term(cursor),
    }
}
