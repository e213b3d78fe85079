//! count, min, max, sum and avg over rows.

use crate::cql::values::constant;
use crate::cql::values::json;
use crate::cql::values::sort_key;
use crate::store::plans::pick::Aggregate;
use cql::values::column_type::ColumnType;

/// The state of one output column over the rows so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    count: i64,
    whole: i128,
    real: f64,
    least: Option<Vec<u8>>,
    greatest: Option<Vec<u8>>,
    first: Option<Option<Vec<u8>>>,
}

impl Tally {
    /// Takes the value of one row; nulls are not counted.
    pub(crate) fn add(&mut self, column_type: &ColumnType, value: Option<Vec<u8>>) {
        if self.first.is_none() {
            self.first = Some(value.clone());
        }
        let Some(value) = value else {
            return;
        };
        self.count += 1;
        let text = json::plain(column_type, &value);
        self.whole += text.parse::<i128>().unwrap_or(0);
        self.real += text.parse::<f64>().unwrap_or(0.0);
        let sort = |bytes: &Vec<u8>| sort_key::key(column_type, bytes);
        if self.least.as_ref().is_none_or(|least| sort(&value) < sort(least)) {
            self.least = Some(value.clone());
        }
        if self.greatest.as_ref().is_none_or(|greatest| sort(&value) > sort(greatest)) {
            self.greatest = Some(value);
        }
    }

    /// The value of a column that is no aggregate: that of the first row.
    pub(crate) fn first(self) -> Option<Vec<u8>> {
        self.first.flatten()
    }

    /// The result.
    pub(crate) fn result(self, aggregate: Aggregate, column_type: &ColumnType) -> Option<Vec<u8>> {
        let is_real = matches!(column_type, ColumnType::Double | ColumnType::Float);
        let number = |whole: i128, real: f64| {
            let text = if is_real { real.to_string() } else { whole.to_string() };
            constant::scalar(&text, column_type)
        };
        match aggregate {
            Aggregate::Count => Some(self.count.to_be_bytes().to_vec()),
            Aggregate::Min => self.least,
            Aggregate::Max => self.greatest,
            Aggregate::Sum => number(self.whole, self.real),
            Aggregate::Average => {
                let count = self.count.max(1);
                let real = u32::try_from(count).map(f64::from).unwrap_or(f64::MAX);
                number(self.whole / i128::from(count), self.real / real)
            }
        }
    }
}
