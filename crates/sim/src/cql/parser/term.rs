//! Values and types as written.

use crate::cql::ast::Name;
use crate::cql::ast::RawType;
use crate::cql::ast::Term;
use crate::cql::error::CqlError;
use crate::cql::lexer::Kind;
use crate::cql::parser::cursor::Cursor;

/// A value: constant, bind variable, collection, tuple, call or cast.
pub(crate) fn term(cursor: &mut Cursor) -> Result<Term, CqlError> {
    cursor.deeper(|cursor| match cursor.take_marker()? {
        Some(index) => Ok(Term::Marker(index)),
        None if cursor.is_symbol("[") => list(cursor),
        None if cursor.is_symbol("{") => braces(cursor),
        None if cursor.is_symbol("(") => parenthesized(cursor),
        None if cursor.take_symbol("-") => negative(cursor),
        None => constant_or_call(cursor),
    })
}

fn list(cursor: &mut Cursor) -> Result<Term, CqlError> {
    cursor.expect_symbol("[")?;
    if cursor.take_symbol("]") {
        return Ok(Term::List(Vec::new()));
    }
    let parts = cursor.list(term)?;
    cursor.expect_symbol("]")?;
    Ok(Term::List(parts))
}

/// A set, a map, or the fields of a user-defined type.
fn braces(cursor: &mut Cursor) -> Result<Term, CqlError> {
    cursor.expect_symbol("{")?;
    if cursor.take_symbol("}") {
        return Ok(Term::Set(Vec::new()));
    }
    let is_field = cursor.name_at(0).is_some() && cursor.is_symbol_at(1, ":");
    let parsed = if is_field {
        Term::Fields(cursor.list(|cursor| {
            let name = cursor.expect_name()?;
            cursor.expect_symbol(":")?;
            Ok((name, term(cursor)?))
        })?)
    } else {
        let first = term(cursor)?;
        if cursor.take_symbol(":") {
            let mut pairs = vec![(first, term(cursor)?)];
            while cursor.take_symbol(",") {
                let key = term(cursor)?;
                cursor.expect_symbol(":")?;
                pairs.push((key, term(cursor)?));
            }
            Term::Map(pairs)
        } else {
            let mut parts = vec![first];
            while cursor.take_symbol(",") {
                parts.push(term(cursor)?);
            }
            Term::Set(parts)
        }
    };
    cursor.expect_symbol("}")?;
    Ok(parsed)
}

/// A cast `(type) value`, or a tuple.
fn parenthesized(cursor: &mut Cursor) -> Result<Term, CqlError> {
    cursor.expect_symbol("(")?;
    let is_type = cursor.name_at(0).is_some()
        && (cursor.is_symbol_at(1, ")") || cursor.is_symbol_at(1, "<"))
        && !cursor.is_word_at(0, "true")
        && !cursor.is_word_at(0, "false");
    if is_type {
        let to = raw_type(cursor)?;
        cursor.expect_symbol(")")?;
        return Ok(Term::Cast(to, Box::new(term(cursor)?)));
    }
    let parts = cursor.list(term)?;
    cursor.expect_symbol(")")?;
    Ok(Term::Tuple(parts))
}

fn negative(cursor: &mut Cursor) -> Result<Term, CqlError> {
    let constant = match &cursor.peek().kind {
        Kind::Integer(digits) => Term::Integer(format!("-{digits}")),
        Kind::Float(digits) => Term::Float(format!("-{digits}")),
        Kind::Duration(text) => Term::Duration(format!("-{text}")),
        Kind::Word(text) if text.eq_ignore_ascii_case("infinity") => {
            Term::Float("-infinity".to_owned())
        }
        Kind::Word(text) if text.eq_ignore_ascii_case("nan") => Term::Float("nan".to_owned()),
        Kind::Word(_)
        | Kind::Quoted(_)
        | Kind::Text(_)
        | Kind::Hex(_)
        | Kind::Uuid(_)
        | Kind::Symbol(_)
        | Kind::End => return cursor.refuse(),
    };
    cursor.next();
    Ok(constant)
}

fn constant_or_call(cursor: &mut Cursor) -> Result<Term, CqlError> {
    let constant = match cursor.peek().kind.clone() {
        Kind::Text(text) => Term::Text(text),
        Kind::Integer(digits) => Term::Integer(digits),
        Kind::Float(digits) => Term::Float(digits),
        Kind::Hex(text) => Term::Hex(text),
        Kind::Uuid(text) => Term::Uuid(text),
        Kind::Duration(text) => Term::Duration(text),
        Kind::Word(word) => match word.to_lowercase().as_str() {
            "null" => Term::Null,
            "true" => Term::Boolean(true),
            "false" => Term::Boolean(false),
            "nan" => Term::Float("nan".to_owned()),
            "infinity" => Term::Float("infinity".to_owned()),
            lower => return call(cursor, lower),
        },
        Kind::Quoted(name) => return call(cursor, &name),
        Kind::Symbol(_) | Kind::End => return cursor.refuse(),
    };
    cursor.next();
    Ok(constant)
}

fn call(cursor: &mut Cursor, name: &str) -> Result<Term, CqlError> {
    let mut name = name.to_owned();
    if cursor.is_symbol_at(1, ".")
        && let Some(inner) = cursor.name_at(2)
        && cursor.is_symbol_at(3, "(")
    {
        cursor.next();
        cursor.next();
        name = inner;
    }
    if !cursor.is_symbol_at(1, "(") {
        return cursor.refuse();
    }
    cursor.next();
    cursor.expect_symbol("(")?;
    if cursor.take_symbol(")") {
        return Ok(Term::Call(name, Vec::new()));
    }
    let arguments = cursor.list(term)?;
    cursor.expect_symbol(")")?;
    Ok(Term::Call(name, arguments))
}

/// A type as written.
pub(crate) fn raw_type(cursor: &mut Cursor) -> Result<RawType, CqlError> {
    cursor.deeper(raw_type_here)
}

fn raw_type_here(cursor: &mut Cursor) -> Result<RawType, CqlError> {
    if let Kind::Text(class) = cursor.peek().kind.clone() {
        cursor.next();
        return Ok(RawType::Custom(class));
    }
    let generic = cursor.is_symbol_at(1, "<");
    // `set` is a reserved word, yet names a type.
    if generic && cursor.take_words("set") {
        cursor.expect_symbol("<")?;
        let inner = raw_type(cursor)?;
        cursor.expect_symbol(">")?;
        return Ok(RawType::Set(Box::new(inner)));
    }
    if !generic {
        let Name { keyspace, name } = cursor.expect_qualified()?;
        return Ok(RawType::Named(Name { keyspace, name }));
    }
    let start = cursor.expect_name()?;
    cursor.expect_symbol("<")?;
    let mut parts = cursor.list(raw_type)?;
    cursor.expect_symbol(">")?;
    let second = (parts.len() == 2).then(|| parts.pop()).flatten();
    match (start.as_str(), parts.pop(), second) {
        ("frozen", Some(inner), None) if parts.is_empty() => Ok(RawType::Frozen(Box::new(inner))),
        ("list", Some(inner), None) if parts.is_empty() => Ok(RawType::List(Box::new(inner))),
        ("map", Some(key), Some(value)) => Ok(RawType::Map(Box::new(key), Box::new(value))),
        ("tuple", Some(last), second) => {
            parts.push(last);
            parts.extend(second);
            Ok(RawType::Tuple(parts))
        }
        _ => cursor.refuse(),
    }
}
