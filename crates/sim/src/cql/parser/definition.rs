//! CREATE, ALTER and DROP.

use crate::cql::ast::Alter;
use crate::cql::ast::CreateTable;
use crate::cql::ast::CreateView;
use crate::cql::ast::Ddl;
use crate::cql::ast::Name;
use crate::cql::ast::Object;
use crate::cql::ast::Properties;
use crate::cql::ast::RawType;
use crate::cql::error::CqlError;
use crate::cql::parser::cursor::Cursor;
use crate::cql::parser::modify::property_value;
use crate::cql::parser::relation::expect_where;
use crate::cql::parser::select::ordering;
use crate::cql::parser::term::raw_type;

type Parse<T> = Result<T, CqlError>;

/// A schema statement, if one stands next.
pub(crate) fn definition(cursor: &mut Cursor) -> Parse<Option<Ddl>> {
    if cursor.take_words("create") {
        return create(cursor).map(Some);
    }
    if cursor.take_words("alter") {
        return alter(cursor).map(Some);
    }
    if cursor.take_words("drop") {
        return drop(cursor).map(Some);
    }
    Ok(None)
}

fn object(cursor: &mut Cursor) -> Parse<Object> {
    if cursor.take_words("keyspace") || cursor.take_words("schema") {
        return Ok(Object::Keyspace);
    }
    if cursor.take_words("table") || cursor.take_words("columnfamily") {
        return Ok(Object::Table);
    }
    if cursor.take_words("materialized view") {
        return Ok(Object::View);
    }
    if cursor.take_words("type") {
        return Ok(Object::Type);
    }
    let _custom = cursor.take_words("custom");
    if cursor.take_words("index") {
        return Ok(Object::Index);
    }
    cursor.refuse()
}

fn create(cursor: &mut Cursor) -> Parse<Ddl> {
    let object = object(cursor)?;
    let if_not_exists = cursor.take_words("if not exists");
    match object {
        Object::Keyspace => {
            let name = cursor.expect_name()?;
            cursor.expect_words("with")?;
            let properties = properties(cursor)?;
            Ok(Ddl::CreateKeyspace { name, if_not_exists, properties })
        }
        Object::Table => create_table(cursor, if_not_exists),
        Object::View => create_view(cursor, if_not_exists),
        Object::Type => {
            let name = cursor.expect_qualified()?;
            cursor.expect_symbol("(")?;
            let fields = cursor.list(|cursor| Ok((cursor.expect_name()?, raw_type(cursor)?)))?;
            cursor.expect_symbol(")")?;
            Ok(Ddl::CreateType { name, if_not_exists, fields })
        }
        Object::Index => create_index(cursor, if_not_exists),
    }
}

fn create_index(cursor: &mut Cursor, if_not_exists: bool) -> Parse<Ddl> {
    let name = if cursor.is_words("on") { None } else { Some(cursor.expect_name()?) };
    cursor.expect_words("on")?;
    let table = cursor.expect_qualified()?;
    cursor.expect_symbol("(")?;
    let wrapped = ["values", "keys", "entries", "full"]
        .into_iter()
        .any(|word| cursor.is_word_at(0, word) && cursor.is_symbol_at(1, "("));
    if wrapped {
        cursor.next();
        cursor.next();
    }
    let column = cursor.expect_name()?;
    if wrapped {
        cursor.expect_symbol(")")?;
    }
    cursor.expect_symbol(")")?;
    Ok(Ddl::CreateIndex { name, table, column, if_not_exists })
}

/// `PRIMARY KEY (…)`: partition key and clustering columns.
fn primary_key(cursor: &mut Cursor) -> Parse<(Vec<String>, Vec<String>)> {
    cursor.expect_words("primary key")?;
    cursor.expect_symbol("(")?;
    let partition = if cursor.take_symbol("(") {
        let names = cursor.list(Cursor::expect_name)?;
        cursor.expect_symbol(")")?;
        names
    } else {
        vec![cursor.expect_name()?]
    };
    let mut clustering = Vec::new();
    while cursor.take_symbol(",") {
        clustering.push(cursor.expect_name()?);
    }
    cursor.expect_symbol(")")?;
    Ok((partition, clustering))
}

fn create_table(cursor: &mut Cursor, if_not_exists: bool) -> Parse<Ddl> {
    let mut table = CreateTable {
        table: cursor.expect_qualified()?,
        if_not_exists,
        columns: Vec::new(),
        partition_key: Vec::new(),
        clustering: Vec::new(),
        order: Vec::new(),
        properties: Vec::new(),
    };
    cursor.expect_symbol("(")?;
    loop {
        if cursor.is_words("primary key") {
            let (partition_key, clustering) = primary_key(cursor)?;
            if !table.partition_key.is_empty() {
                return Err(CqlError::invalid(
                    "Multiple PRIMARY KEYs specifed (exactly one required)",
                ));
            }
            table.partition_key = partition_key;
            table.clustering = clustering;
        } else {
            let (name, raw, is_static) = column(cursor)?;
            if cursor.take_words("primary key") {
                table.partition_key.push(name.clone());
            }
            table.columns.push((name, raw, is_static));
        }
        if !cursor.take_symbol(",") || cursor.is_symbol(")") {
            break;
        }
    }
    cursor.expect_symbol(")")?;
    (table.order, table.properties) = table_options(cursor)?;
    Ok(Ddl::CreateTable(table))
}

fn column(cursor: &mut Cursor) -> Parse<(String, RawType, bool)> {
    let name = cursor.expect_name()?;
    let raw = raw_type(cursor)?;
    Ok((name, raw, cursor.take_words("static")))
}

/// Everything behind WITH of a table or view: sort order and properties.
fn table_options(cursor: &mut Cursor) -> Parse<(Vec<(String, bool)>, Properties)> {
    let (mut order, mut properties) = (Vec::new(), Vec::new());
    if !cursor.take_words("with") {
        return Ok((order, properties));
    }
    loop {
        if cursor.take_words("clustering order by") {
            cursor.expect_symbol("(")?;
            order = cursor.list(ordering)?;
            cursor.expect_symbol(")")?;
        } else if !cursor.take_words("compact storage") {
            properties.push(property(cursor)?);
        }
        if !cursor.take_words("and") {
            return Ok((order, properties));
        }
    }
}

fn property(cursor: &mut Cursor) -> Parse<(String, crate::cql::ast::Term)> {
    let name = cursor.expect_name()?;
    cursor.expect_symbol("=")?;
    Ok((name, property_value(cursor)?))
}

fn properties(cursor: &mut Cursor) -> Parse<Properties> {
    let mut properties = vec![property(cursor)?];
    while cursor.take_words("and") {
        properties.push(property(cursor)?);
    }
    Ok(properties)
}

fn create_view(cursor: &mut Cursor, if_not_exists: bool) -> Parse<Ddl> {
    let view = cursor.expect_qualified()?;
    cursor.expect_words("as select")?;
    let selection = match cursor.take_symbol("*") {
        true => Vec::new(),
        false => cursor.list(Cursor::expect_name)?,
    };
    cursor.expect_words("from")?;
    let base = cursor.expect_qualified()?;
    let relations = if cursor.is_words("where") { expect_where(cursor)? } else { Vec::new() };
    let (partition_key, clustering) = primary_key(cursor)?;
    let (order, properties) = table_options(cursor)?;
    Ok(Ddl::CreateView(CreateView {
        view,
        base,
        if_not_exists,
        selection,
        relations,
        partition_key,
        clustering,
        order,
        properties,
    }))
}

fn alter(cursor: &mut Cursor) -> Parse<Ddl> {
    let object = object(cursor)?;
    match object {
        Object::Keyspace => {
            let name = cursor.expect_name()?;
            cursor.expect_words("with")?;
            Ok(Ddl::AlterKeyspace { name, properties: properties(cursor)? })
        }
        Object::Table | Object::View => {
            let table = cursor.expect_qualified()?;
            let alter = alteration(cursor)?;
            Ok(Ddl::AlterTable { table, view: object == Object::View, alter })
        }
        Object::Type => {
            Ok(Ddl::AlterType { name: cursor.expect_qualified()?, alter: alteration(cursor)? })
        }
        Object::Index => cursor.refuse(),
    }
}

fn alteration(cursor: &mut Cursor) -> Parse<Alter> {
    if cursor.take_words("add") {
        return Ok(Alter::Add(maybe_parenthesized(cursor, column)?));
    }
    if cursor.take_words("drop") {
        return Ok(Alter::Drop(maybe_parenthesized(cursor, Cursor::expect_name)?));
    }
    if cursor.take_words("rename") {
        let mut renames = Vec::new();
        loop {
            let from = cursor.expect_name()?;
            cursor.expect_words("to")?;
            renames.push((from, cursor.expect_name()?));
            if !cursor.take_words("and") {
                return Ok(Alter::Rename(renames));
            }
        }
    }
    if cursor.take_words("alter") {
        let name = cursor.expect_name()?;
        cursor.expect_words("type")?;
        return Ok(Alter::Retype(name, raw_type(cursor)?));
    }
    cursor.expect_words("with")?;
    Ok(Alter::With(properties(cursor)?))
}

fn maybe_parenthesized<T>(
    cursor: &mut Cursor,
    parse: impl FnMut(&mut Cursor) -> Parse<T>,
) -> Parse<Vec<T>> {
    let open = cursor.take_symbol("(");
    let parts = cursor.list(parse)?;
    if open {
        cursor.expect_symbol(")")?;
    }
    Ok(parts)
}

fn drop(cursor: &mut Cursor) -> Parse<Ddl> {
    let object = object(cursor)?;
    let if_exists = cursor.take_words("if exists");
    let name = match object {
        Object::Keyspace => Name { keyspace: None, name: cursor.expect_name()? },
        Object::Table | Object::View | Object::Type | Object::Index => cursor.expect_qualified()?,
    };
    Ok(Ddl::Drop { object, name, if_exists })
}
