//! The parts of WHERE and IF.

use crate::cql::ast::Condition;
use crate::cql::ast::Left;
use crate::cql::ast::Operator;
use crate::cql::ast::Relation;
use crate::cql::ast::Right;
use crate::cql::error::CqlError;
use crate::cql::parser::cursor::Cursor;
use crate::cql::parser::term::term;

/// `WHERE …`, which must stand next.
pub(crate) fn expect_where(cursor: &mut Cursor) -> Result<Vec<Relation>, CqlError> {
    cursor.expect_words("where")?;
    relations(cursor)
}

/// Relations joined by AND.
pub(crate) fn relations(cursor: &mut Cursor) -> Result<Vec<Relation>, CqlError> {
    let mut relations = vec![relation(cursor)?];
    while cursor.take_words("and") {
        relations.push(relation(cursor)?);
    }
    Ok(relations)
}

/// `IF …` of UPDATE and DELETE, if it stands next.
pub(crate) fn condition(cursor: &mut Cursor) -> Result<Condition, CqlError> {
    if !cursor.take_words("if") {
        return Ok(Condition::Always);
    }
    if cursor.take_words("exists") {
        return Ok(Condition::Exists);
    }
    Ok(Condition::Columns(relations(cursor)?))
}

fn relation(cursor: &mut Cursor) -> Result<Relation, CqlError> {
    cursor.deeper(|cursor| {
        if cursor.take_words("token") {
            let left = Left::Token(names(cursor)?);
            return comparison(cursor, left);
        }
        // A relation in parentheses, or a tuple of columns.
        if cursor.is_symbol("(") {
            if cursor.is_symbol_at(2, ",") || cursor.is_symbol_at(2, ")") {
                let left = Left::Columns(names(cursor)?);
                return comparison(cursor, left);
            }
            cursor.expect_symbol("(")?;
            let inner = relation(cursor)?;
            cursor.expect_symbol(")")?;
            return Ok(inner);
        }
        let name = cursor.expect_name()?;
        if cursor.take_symbol("[") {
            let key = term(cursor)?;
            cursor.expect_symbol("]")?;
            return comparison(cursor, Left::Element(name, key));
        }
        comparison(cursor, Left::Column(name))
    })
}

fn names(cursor: &mut Cursor) -> Result<Vec<String>, CqlError> {
    cursor.expect_symbol("(")?;
    let names = cursor.list(Cursor::expect_name)?;
    cursor.expect_symbol(")")?;
    Ok(names)
}

fn comparison(cursor: &mut Cursor, left: Left) -> Result<Relation, CqlError> {
    let one = |cursor: &mut Cursor| Ok(Right::One(term(cursor)?));
    if cursor.take_words("is not null") {
        let right = Right::Many(Vec::new());
        return Ok(Relation { left, operator: Operator::IsNotNull, right });
    }
    if cursor.take_words("in") {
        let right = match cursor.is_symbol("(") {
            true => Right::Many(in_list(cursor)?),
            false => one(cursor)?,
        };
        return Ok(Relation { left, operator: Operator::In, right });
    }
    if cursor.take_words("contains") {
        let key = cursor.take_words("key");
        let operator = if key { Operator::ContainsKey } else { Operator::Contains };
        return Ok(Relation { left, operator, right: one(cursor)? });
    }
    if cursor.take_words("like") {
        return Ok(Relation { left, operator: Operator::Like, right: one(cursor)? });
    }
    let operators = [
        ("=", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        ("<", Operator::Less),
        (">=", Operator::GreaterOrEqual),
        (">", Operator::Greater),
    ];
    let Some((_, operator)) = operators.into_iter().find(|(word, _)| cursor.take_symbol(word))
    else {
        return cursor.refuse();
    };
    Ok(Relation { left, operator, right: one(cursor)? })
}

fn in_list(cursor: &mut Cursor) -> Result<Vec<crate::cql::ast::Term>, CqlError> {
    cursor.expect_symbol("(")?;
    if cursor.take_symbol(")") {
        return Ok(Vec::new());
    }
    let parts = cursor.list(term)?;
    cursor.expect_symbol(")")?;
    Ok(parts)
}
