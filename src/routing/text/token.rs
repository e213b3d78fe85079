//! The token of a text: from terms, bound values and documents to the bytes of a key.

use crate::routing::decision::Reason;
use crate::topology::table_key::KeyColumn;
use cql::notation::Value;
use cql::request::parameters::{BoundValue, Values};
use cql::statement::document::Document;
use cql::statement::partition::{Bound, KEY_COLUMNS_MAX, PartitionKey, TokenRange};
use cql::statement::term::Term;
use cql::token::partition_key;
use cql::token::partitioner::Partitioner;
use cql::token::token::Token;
use cql::values::literal::Literal;

/// What servers call the marker of a document.
const DOCUMENT_NAME: &str = "[json]";

/// The buffers that a key is put together in.
pub(super) struct Buffers<'a> {
    pub(super) literals: &'a mut Vec<u8>,
    pub(super) scratch: &'a mut Vec<u8>,
}

/// The token of a key.
pub(super) fn token_of(
    partitioner: Partitioner,
    columns: &[KeyColumn],
    key: &PartitionKey<'_>,
    values: Values<'_>,
    buffers: Buffers<'_>,
) -> Result<Token, Reason> {
    let Buffers { literals, scratch } = buffers;
    let token = with_components(columns, key, values, literals, |components| {
        partition_key::token_of(partitioner, components.iter().copied(), scratch)
    })?;
    token.map_err(|_| Reason::NullKey)
}

/// Hands the components of a key to `read`, serialized and in the key's order. Those of constants are
/// written into `literals`.
#[inline]
pub(super) fn with_components<T>(
    columns: &[KeyColumn],
    key: &PartitionKey<'_>,
    values: Values<'_>,
    literals: &mut Vec<u8>,
    read: impl FnOnce(&[&[u8]]) -> T,
) -> Result<T, Reason> {
    literals.clear();
    let mut ends = [0; KEY_COLUMNS_MAX];
    for ((term, column), end) in key.terms().iter().zip(columns).zip(&mut ends) {
        if let Term::Literal(literal) = term {
            literal.put(&column.kind, literals).map_err(|_| Reason::TextNotUnderstood)?;
        }
        *end = literals.len();
    }
    let mut components: [&[u8]; KEY_COLUMNS_MAX] = [&[]; KEY_COLUMNS_MAX];
    let mut start = 0;
    for (((term, column), end), component) in
        key.terms().iter().zip(columns).zip(ends).zip(&mut components)
    {
        *component = match term {
            Term::Literal(_) => literals.get(start..end).unwrap_or_default(),
            Term::Marker(_) | Term::NamedMarker(_) => bound(values, term, &column.name)?,
        };
        start = end;
    }
    Ok(read(components.get(..columns.len()).unwrap_or_default()))
}

/// The document of an INSERT … JSON.
pub(super) fn document_of<'a>(term: &Term<'a>, values: Values<'a>) -> Result<Document<'a>, Reason> {
    let document = match term {
        Term::Literal(literal) => Document::of_literal(literal),
        Term::Marker(_) | Term::NamedMarker(_) => {
            Document::of_bytes(bound(values, term, DOCUMENT_NAME)?)
        }
    };
    document.ok_or(Reason::TextNotUnderstood)
}

/// The token of the key that a document has.
pub(super) fn token_of_document(
    partitioner: Partitioner,
    columns: &[KeyColumn],
    names: &[&str],
    document: &Document<'_>,
    buffers: Buffers<'_>,
) -> Result<Token, Reason> {
    let Buffers { literals, scratch } = buffers;
    let token = with_components_of_document(columns, names, document, literals, |components| {
        partition_key::token_of(partitioner, components.iter().copied(), scratch)
    })?;
    token.map_err(|_| Reason::NullKey)
}

/// As [`with_components`], of the key that a document has.
#[inline]
pub(super) fn with_components_of_document<T>(
    columns: &[KeyColumn],
    names: &[&str],
    document: &Document<'_>,
    literals: &mut Vec<u8>,
    read: impl FnOnce(&[&[u8]]) -> T,
) -> Result<T, Reason> {
    let found = document.find(names).map_err(|_| Reason::TextNotUnderstood)?;
    literals.clear();
    let mut ends = [0; KEY_COLUMNS_MAX];
    for ((value, column), end) in found.iter().flatten().zip(columns).zip(&mut ends) {
        value.put(&column.kind, literals).map_err(|_| Reason::TextNotUnderstood)?;
        *end = literals.len();
    }
    let mut components: [&[u8]; KEY_COLUMNS_MAX] = [&[]; KEY_COLUMNS_MAX];
    let mut start = 0;
    for (component, end) in components.iter_mut().zip(ends) {
        *component = literals.get(start..end).unwrap_or_default();
        start = end;
    }
    Ok(read(components.get(..columns.len()).unwrap_or_default()))
}

/// The first token of a range.
pub(super) fn start_of(range: &TokenRange<'_>, values: Values<'_>) -> Result<Token, Reason> {
    let Some(Bound { token, is_included }) = range.start else { return Ok(Token::FIRST) };
    let value = match token {
        Term::Literal(Literal::Integer(digits)) => digits.parse().ok(),
        Term::Literal(_) => None,
        // A server calls such a marker by a name of its own.
        Term::Marker(_) if values.named() => None,
        Term::Marker(_) | Term::NamedMarker(_) => {
            bound(values, &token, "")?.try_into().ok().map(i64::from_be_bytes)
        }
    };
    let value = value.ok_or(Reason::TextNotUnderstood)?;
    let first = if is_included { value } else { value.saturating_add(1) };
    // A scan of the whole ring begins at the smallest number, where no key lies.
    Ok(Token::new(first.max(Token::FIRST.value())))
}

/// The value that is bound to a marker of the column `name`.
fn bound<'a>(values: Values<'a>, term: &Term<'_>, name: &str) -> Result<&'a [u8], Reason> {
    let is_it = |value: &BoundValue<'a>| match (term, value.name) {
        (Term::Marker(_), Some(sent)) => sent == name,
        (Term::NamedMarker(name), Some(sent)) => name.is(sent),
        (Term::Literal(_) | Term::Marker(_) | Term::NamedMarker(_), _) => false,
    };
    let found = match term {
        Term::Marker(index) if !values.named() => values.iter().nth(usize::from(*index)),
        // Which place a server gives to a name that comes twice depends on its settings.
        Term::NamedMarker(_) if !values.named() => return Err(Reason::TextNotUnderstood),
        Term::Literal(_) | Term::Marker(_) | Term::NamedMarker(_) => {
            values.iter().find(|value| value.as_ref().is_ok_and(is_it))
        }
    };
    match found {
        Some(Ok(BoundValue { value: Value::Bytes(bytes), .. })) => Ok(bytes),
        Some(_) | None => Err(Reason::NullKey),
    }
}
