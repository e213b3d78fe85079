//! Keys: their bytes, their tokens, their order.

use crate::cql::error::CqlError;
use crate::cql::values::elements;
use crate::cql::values::sort_key;
use crate::store::data::rows::PartitionKey;
use crate::store::definitions::schema::Table;
use cql::token::partition_key::KEY_LEN_MAX;
use cql::token::partitioner::Partitioner;

/// Token and bytes of a partition key; refuses keys that the server refuses.
pub(crate) fn partition(table: &Table, components: &[Vec<u8>]) -> Result<PartitionKey, CqlError> {
    let key = elements::join_key(components);
    if key.is_empty() {
        return Err(CqlError::invalid("Key may not be empty"));
    }
    let long = components.iter().any(|component| component.len() > KEY_LEN_MAX);
    if long || key.len() > KEY_LEN_MAX {
        let shown = if components.len() == 1 { key.len() + 2 } else { key.len() };
        return Err(CqlError::invalid(format!("Key size too large: {shown} > {KEY_LEN_MAX}")));
    }
    Ok((token(table, &key), key))
}

/// The token of a serialized key.
pub(crate) fn token(table: &Table, key: &[u8]) -> i64 {
    let class = table.text_option("partitioner").unwrap_or_default();
    Partitioner::from_class(class).unwrap_or_default().token(key).value()
}

/// The sort key of the first clustering values.
pub(crate) fn clustering(table: &Table, values: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (column, value) in table.clustering().iter().zip(values) {
        let from = out.len();
        sort_key::push(&mut out, &column.column_type, value);
        if column.descending {
            out.iter_mut().skip(from).for_each(|byte| *byte = !*byte);
        }
    }
    out
}
