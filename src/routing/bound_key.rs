//! The partition of a prepared statement: from its bound values to a token.

use std::iter;

use crate::routing::decision::Reason;
use crate::routing::place::Place;
use crate::routing::statement::CatalogEntry;
use crate::routing::text::Schema;
use crate::topology::table::TableId;
use cql::notation::Value;
use cql::request::parameters::{BoundValue, Values};
use cql::token::partition_key;

/// Components of a partition key that are looked up without an allocation.
const COMPONENTS_INLINE: usize = 8;

/// Works out the token of the partition that `values` name for a statement.
#[inline]
pub(crate) fn locate(
    entry: &CatalogEntry,
    table: TableId,
    values: Values<'_>,
    schema: &mut Schema<'_>,
    scratch: &mut Vec<u8>,
) -> Place {
    let statement = &*entry.statement;
    let indexes = statement.pk_indexes.as_slice();
    let Schema { routes, snapshot, tables, .. } = schema;
    let Some(route) = routes.route(snapshot, table, || tables.name(table)) else {
        return Place::Nowhere(Reason::UnknownKeyspace);
    };
    if let [index] = indexes
        && !values.named()
        && let Some(partitioner) = route.partitioner
    {
        // Nearly every key: one column, found by its place.
        let place = values.iter().nth(usize::from(*index));
        let Some(Ok(BoundValue { value: Value::Bytes(key), .. })) = place else {
            return Place::Nowhere(Reason::NullKey);
        };
        let token = partition_key::token_of(partitioner, iter::once(key), scratch);
        return token.map_or(Place::Nowhere(Reason::NullKey), |token| Place::At(table, token));
    }
    let mut inline: [&[u8]; COMPONENTS_INLINE] = [&[]; COMPONENTS_INLINE];
    let mut spilled = Vec::new();
    let components = if let Some(inline) = inline.get_mut(..indexes.len()) {
        inline
    } else {
        spilled.resize(indexes.len(), &[][..]);
        spilled.as_mut_slice()
    };
    if components.is_empty() {
        return Place::Nowhere(Reason::NoKey);
    }
    if !find_components(statement.names.as_slice(), indexes, values, components) {
        return Place::Nowhere(Reason::NullKey);
    }
    let Some(partitioner) = route.partitioner else { return Place::Nowhere(Reason::NoKey) };
    match partition_key::token_of(partitioner, components.iter().copied(), scratch) {
        Ok(token) => Place::At(table, token),
        Err(_) => Place::Nowhere(Reason::NullKey),
    }
}

/// Fills `components` with the value of each key component; `false` when one is not there.
#[inline]
fn find_components<'a>(
    names: &[Box<str>],
    indexes: &[u16],
    values: Values<'a>,
    components: &mut [&'a [u8]],
) -> bool {
    let mut missing = indexes.len();
    for (position, value) in values.iter().enumerate() {
        let Ok(BoundValue { name, value }) = value else { return false };
        for (index, component) in indexes.iter().zip(components.iter_mut()) {
            let index = usize::from(*index);
            let same = match name {
                None => index == position,
                Some(name) => names.get(index).is_some_and(|marker| &**marker == name),
            };
            if !same {
                continue;
            }
            let Value::Bytes(bytes) = value else { return false };
            *component = bytes;
            missing = missing.saturating_sub(1);
        }
        if missing == 0 {
            return true;
        }
    }
    false
}
