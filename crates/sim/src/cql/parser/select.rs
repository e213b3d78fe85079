//! SELECT.

use crate::cql::ast::Select;
use crate::cql::ast::Selected;
use crate::cql::ast::Selector;
use crate::cql::error::CqlError;
use crate::cql::lexer::Kind;
use crate::cql::parser::cursor::Cursor;
use crate::cql::parser::relation::expect_where;
use crate::cql::parser::term::raw_type;
use crate::cql::parser::term::term;

/// Everything behind `SELECT`.
pub(crate) fn select(cursor: &mut Cursor) -> Result<Select, CqlError> {
    let json = cursor.is_word_at(0, "json") && !cursor.is_symbol_at(1, ",") && {
        let next = cursor.is_word_at(1, "from") || cursor.is_word_at(1, "as");
        !next && cursor.take_words("json")
    };
    let distinct = cursor.is_word_at(0, "distinct")
        && !cursor.is_symbol_at(1, ",")
        && !cursor.is_word_at(1, "from")
        && cursor.take_words("distinct");
    let selection = match cursor.take_symbol("*") {
        true => Vec::new(),
        false => cursor.list(selected)?,
    };
    cursor.expect_words("from")?;
    let table = cursor.expect_qualified()?;
    let relations = if cursor.is_words("where") { expect_where(cursor)? } else { Vec::new() };
    let group_by = match cursor.take_words("group by") {
        true => cursor.list(Cursor::expect_name)?,
        false => Vec::new(),
    };
    let order_by = if cursor.take_words("order by") { cursor.list(ordering)? } else { Vec::new() };
    let per_partition_limit = match cursor.take_words("per partition limit") {
        true => Some(term(cursor)?),
        false => None,
    };
    let limit = if cursor.take_words("limit") { Some(term(cursor)?) } else { None };
    let mut allow_filtering = false;
    let mut timeout = None;
    loop {
        if cursor.take_words("allow filtering") {
            allow_filtering = true;
        } else if cursor.take_words("using timeout") {
            timeout = Some(term(cursor)?);
        } else if !cursor.take_words("bypass cache") {
            break;
        }
    }
    Ok(Select {
        json,
        distinct,
        selection,
        table,
        relations,
        group_by,
        order_by,
        per_partition_limit,
        limit,
        allow_filtering,
        timeout,
    })
}

fn selected(cursor: &mut Cursor) -> Result<Selected, CqlError> {
    let selector = selector(cursor)?;
    let alias = if cursor.take_words("as") { Some(cursor.expect_name()?) } else { None };
    Ok(Selected { selector, alias })
}

/// `column [ASC | DESC]`.
pub(crate) fn ordering(cursor: &mut Cursor) -> Result<(String, bool), CqlError> {
    let name = cursor.expect_name()?;
    let descending = cursor.take_words("desc");
    if !descending {
        cursor.take_words("asc");
    }
    Ok((name, descending))
}

fn selector(cursor: &mut Cursor) -> Result<Selector, CqlError> {
    cursor.deeper(|cursor| {
        let mut selector = primary(cursor)?;
        loop {
            if cursor.take_symbol(".") {
                selector = Selector::Field(Box::new(selector), cursor.expect_name()?);
            } else if cursor.take_symbol("[") {
                let key = term(cursor)?;
                cursor.expect_symbol("]")?;
                selector = Selector::Element(Box::new(selector), key);
            } else {
                return Ok(selector);
            }
        }
    })
}

fn primary(cursor: &mut Cursor) -> Result<Selector, CqlError> {
    if cursor.is_words("cast") && cursor.is_symbol_at(1, "(") {
        cursor.next();
        cursor.next();
        let inner = selector(cursor)?;
        cursor.expect_words("as")?;
        let to = raw_type(cursor)?;
        cursor.expect_symbol(")")?;
        return Ok(Selector::Cast(Box::new(inner), to));
    }
    if cursor.is_words("count") && cursor.is_symbol_at(1, "(") {
        let rows = cursor.is_symbol_at(2, "*") || cursor.peek_at(2).kind == one();
        if rows && cursor.is_symbol_at(3, ")") {
            for _ in 0..4 {
                cursor.next();
            }
            return Ok(Selector::CountRows);
        }
    }
    if cursor.is_words("token") && cursor.is_symbol_at(1, "(") {
        cursor.next();
        return call(cursor, "token".to_owned());
    }
    let Some(name) = cursor.name_at(0) else {
        return Ok(Selector::Value(term(cursor)?));
    };
    if cursor.is_symbol_at(1, ".") && cursor.is_symbol_at(3, "(") {
        cursor.next();
        cursor.next();
        let function = cursor.expect_name()?;
        return call(cursor, function);
    }
    cursor.next();
    if cursor.is_symbol("(") { call(cursor, name) } else { Ok(Selector::Column(name)) }
}

fn one() -> Kind {
    Kind::Integer("1".to_owned())
}

fn call(cursor: &mut Cursor, name: String) -> Result<Selector, CqlError> {
    cursor.expect_symbol("(")?;
    if cursor.take_symbol(")") {
        return Ok(Selector::Call(name, Vec::new()));
    }
    let arguments = cursor.list(selector)?;
    cursor.expect_symbol(")")?;
    Ok(Selector::Call(name, arguments))
}
