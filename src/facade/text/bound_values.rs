//! The values that a client bound to a local statement, by the place of their markers.

use crate::facade::refusal::Refusal;
use crate::facade::text::select::Select;
use cql::notation::Value;
use cql::request::parameters::BoundValue;
use cql::request::parameters::Values;

/// One value for each marker; `None` is null or unset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct BoundValues<'a>(Vec<Option<&'a [u8]>>);

impl<'a> BoundValues<'a> {
    /// Reads values, in the order of the markers or by name.
    pub(crate) fn read(select: &Select, values: &Values<'a>) -> Result<Self, Refusal> {
        let mut sent = Vec::new();
        for value in values.iter() {
            let BoundValue { name, value } = value.map_err(|error| Refusal::broken(&error))?;
            let bytes = match value {
                Value::Bytes(bytes) => Some(bytes),
                Value::Null | Value::Unset => None,
            };
            sent.push((name, bytes));
        }
        if values.named() {
            let by_name = |name: &str| {
                let found = sent.iter().find(|(sent, _)| *sent == Some(name));
                found.map(|(_, bytes)| *bytes).ok_or_else(|| Refusal::missing_value(name))
            };
            let bound = select.markers.iter().map(|marker| by_name(&marker.name));
            let bound = bound.collect::<Result<Vec<_>, _>>()?;
            Self::check_count(select, sent.len())?;
            return Ok(Self(bound));
        }
        Self::check_count(select, sent.len())?;
        Ok(Self(sent.into_iter().map(|(_, bytes)| bytes).collect()))
    }

    /// The value of a marker.
    #[must_use]
    pub(crate) fn get(&self, place: usize) -> Option<&'a [u8]> {
        self.0.get(place).copied().flatten()
    }

    fn check_count(select: &Select, received: usize) -> Result<(), Refusal> {
        let expected = select.markers.len();
        if expected == received { Ok(()) } else { Err(Refusal::value_count(expected, received)) }
    }
}
