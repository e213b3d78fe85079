//! Evaluates WHERE and IF on rows.

use crate::cql::ast::Operator;
use crate::cql::error::CqlError;
use crate::cql::expression::Evaluated;
use crate::cql::expression::Inputs;
use crate::cql::values::elements;
use crate::cql::values::sort_key;
use crate::store::data::key;
use crate::store::data::rows::NamedPartition;
use crate::store::data::rows::Slice;
use crate::store::data::rows::View;
use crate::store::definitions::schema::Table;
use crate::store::plans::restriction;
use crate::store::plans::restriction::Against;
use crate::store::plans::restriction::Restrictions;
use crate::store::plans::restriction::Subject;
use crate::store::plans::restriction::Test;
use cql::values::column_type::ColumnType;

/// How many partitions or rows one statement may name by IN (the server's default).
const PRODUCT_MAX: usize = 100;

/// A test with its values computed.
#[derive(Clone, Debug)]
pub(crate) struct Computed<'a> {
    pub(crate) test: &'a Test,
    /// The key of a map or list element.
    element: Option<Vec<u8>>,
    /// Values that the row's value is compared with; `None` is null.
    pub(crate) values: Vec<Option<Vec<u8>>>,
}

/// Computes the values of tests.
pub(crate) fn compute<'a>(
    tests: &'a [Test],
    table: &Table,
    inputs: Inputs<'_>,
) -> Result<Vec<Computed<'a>>, CqlError> {
    tests.iter().map(|test| compute_one(test, table, inputs)).collect()
}

fn compute_one<'a>(
    test: &'a Test,
    table: &Table,
    inputs: Inputs<'_>,
) -> Result<Computed<'a>, CqlError> {
    let name = subject_name(table, &test.subject);
    let one = |expr: &crate::cql::expression::Expr| match expr.evaluate(inputs)? {
        Evaluated::Bytes(bytes) => Ok(Some(bytes)),
        Evaluated::Null => Ok(None),
        Evaluated::Unset => {
            let index = expr.variable().unwrap_or(0);
            Err(CqlError::invalid(format!("Unexpected unset value for bind variable {index}")))
        }
    };
    let values = match &test.against {
        Against::One(expr) => vec![one(expr)?],
        Against::Many(exprs) => exprs.iter().map(one).collect::<Result<_, _>>()?,
        Against::Listed(expr) => match one(expr)? {
            Some(list) => elements::split(&list, 1)
                .unwrap_or_default()
                .into_iter()
                .map(|element| Some(element.to_vec()))
                .collect(),
            None => {
                return Err(CqlError::invalid(format!(
                    "Invalid null value for IN tuple of {name}"
                )));
            }
        },
    };
    let element = match &test.subject {
        Subject::Element(_, expr) => one(expr)?,
        Subject::Column(_) | Subject::Columns(_) | Subject::Token => None,
    };
    Ok(Computed { test, element, values })
}

fn subject_name(table: &Table, subject: &Subject) -> String {
    match subject {
        Subject::Column(at) | Subject::Element(at, _) => {
            table.columns.get(*at).map(|column| column.name.clone()).unwrap_or_default()
        }
        Subject::Columns(_) => "columns".to_owned(),
        Subject::Token => "token".to_owned(),
    }
}

/// The partitions that tests name, in token order; `None` when they don't fix the key.
///
/// A null in the key names no partition.
pub(crate) fn partitions(
    restrictions: &Restrictions,
    table: &Table,
    inputs: Inputs<'_>,
) -> Result<Option<Vec<NamedPartition>>, CqlError> {
    let mut products: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
    for position in 0..table.partition_len {
        let Some(test) = restrictions.fixing(position) else {
            return Ok(None);
        };
        let values = compute_one(test, table, inputs)?.values;
        products = extend(&products, &values)?;
    }
    let keyed = products
        .into_iter()
        .map(|components| Ok((key::partition(table, &components)?, components)));
    let mut keyed: Vec<_> = keyed.collect::<Result<_, CqlError>>()?;
    keyed.sort();
    keyed.dedup();
    Ok(Some(keyed))
}

/// The values to which tests fix the column at `position`; `None` when they do not, or are refused.
pub(crate) fn fixed(
    restrictions: &Restrictions,
    table: &Table,
    position: usize,
    inputs: Inputs<'_>,
) -> Option<Vec<Vec<u8>>> {
    let test = restrictions.fixing(position)?;
    let values = compute_one(test, table, inputs).ok()?.values;
    Some(values.into_iter().flatten().collect())
}

/// Every prefix extended by every value; nulls are left out.
pub(crate) fn extend(
    prefixes: &[Vec<Vec<u8>>],
    values: &[Option<Vec<u8>>],
) -> Result<Vec<Vec<Vec<u8>>>, CqlError> {
    let values: Vec<&Vec<u8>> = values.iter().flatten().collect();
    let size = prefixes.len() * values.len();
    if size > PRODUCT_MAX {
        return Err(CqlError::invalid(format!(
            "cartesian product size {size} is greater than maximum {PRODUCT_MAX}"
        )));
    }
    let longer = |prefix: &Vec<Vec<u8>>, value: &Vec<u8>| {
        let mut longer = prefix.clone();
        longer.push(value.clone());
        longer
    };
    Ok(prefixes
        .iter()
        .flat_map(|prefix| values.iter().map(move |value| longer(prefix, value)))
        .collect())
}

/// The slice of a partition in which all rows lie that can match.
pub(crate) fn slice(tests: &[Computed<'_>], table: &Table) -> Slice {
    let mut prefix: Vec<Vec<u8>> = Vec::new();
    for (offset, column) in table.clustering().iter().enumerate() {
        let position = table.partition_len + offset;
        let on = |computed: &&Computed<'_>| computed.test.subject == Subject::Column(position);
        let equal = tests.iter().filter(on).find_map(|computed| {
            let is_equal = computed.test.operator == Operator::Equal;
            if is_equal { computed.values.first()?.clone() } else { None }
        });
        if let Some(value) = equal {
            prefix.push(value);
            continue;
        }
        let mut slice = all_with(&key::clustering(table, &prefix));
        for computed in tests.iter().filter(on) {
            let Some(Some(value)) = computed.values.first() else {
                continue;
            };
            let mut longer = prefix.clone();
            longer.push(value.clone());
            let edge = key::clustering(table, &longer);
            narrow(&mut slice, computed.test.operator, edge, column.descending);
        }
        for computed in tests {
            if let Some(edge) = joint_edge(computed, table, position, &prefix) {
                narrow(&mut slice, computed.test.operator, edge, column.descending);
            }
        }
        return slice;
    }
    all_with(&key::clustering(table, &prefix))
}

/// The sort key of the right side of `(a, b) > (1, 2)` that begins at `position`.
fn joint_edge(
    computed: &Computed<'_>,
    table: &Table,
    position: usize,
    prefix: &[Vec<u8>],
) -> Option<Vec<u8>> {
    let Subject::Columns(positions) = &computed.test.subject else {
        return None;
    };
    let in_order = positions.iter().zip(position..).all(|(on, at)| *on == at);
    if !in_order || !restriction::same_direction(table, positions) {
        return None;
    }
    let fields = elements::split_fields(computed.values.first()?.as_deref()?)?;
    let fields: Option<Vec<Vec<u8>>> = fields.into_iter().map(|f| Some(f?.to_vec())).collect();
    let mut longer = prefix.to_vec();
    longer.extend(fields?);
    Some(key::clustering(table, &longer))
}

/// All keys that begin with `prefix`.
fn all_with(prefix: &[u8]) -> Slice {
    Slice { from: prefix.to_vec(), to: sort_key::above(prefix) }
}

fn narrow(slice: &mut Slice, operator: Operator, edge: Vec<u8>, descending: bool) {
    let above = sort_key::above(&edge);
    let (from, to) = match (operator, descending) {
        (Operator::Greater, false) | (Operator::Less, true) => (above, None),
        (Operator::GreaterOrEqual, false) | (Operator::LessOrEqual, true) => (Some(edge), None),
        (Operator::Less, false) | (Operator::Greater, true) => (None, Some(edge)),
        (Operator::LessOrEqual, false) | (Operator::GreaterOrEqual, true) => (None, above),
        _ => (None, None),
    };
    if let Some(from) = from {
        slice.from = slice.from.clone().max(from);
    }
    if let Some(to) = to {
        slice.lower(to);
    }
}

impl Computed<'_> {
    /// Whether the row passes.
    pub(crate) fn matches(&self, view: &View<'_>, table: &Table) -> bool {
        match &self.test.subject {
            Subject::Token => {
                let token = view.token.to_be_bytes();
                self.compare(&ColumnType::Bigint, Some(&token))
            }
            Subject::Column(at) => {
                let Some(column) = table.columns.get(*at) else {
                    return false;
                };
                let value = view.value(*at, column);
                match self.test.operator {
                    Operator::Contains => {
                        self.contains(&column.column_type, value.as_deref(), false)
                    }
                    Operator::ContainsKey => {
                        self.contains(&column.column_type, value.as_deref(), true)
                    }
                    Operator::Equal
                    | Operator::NotEqual
                    | Operator::Less
                    | Operator::LessOrEqual
                    | Operator::Greater
                    | Operator::GreaterOrEqual
                    | Operator::In
                    | Operator::Like
                    | Operator::IsNotNull => self.compare(&column.column_type, value.as_deref()),
                }
            }
            Subject::Columns(positions) => {
                let columns =
                    positions.iter().filter_map(|at| Some((*at, table.columns.get(*at)?)));
                let mut types = Vec::new();
                let mut values = Vec::new();
                for (at, column) in columns {
                    types.push(column.column_type.clone());
                    values.push(view.value(at, column));
                }
                let joined = elements::join_fields(values.iter().map(|value| value.as_deref()));
                self.compare(&ColumnType::Tuple(types), Some(&joined))
            }
            Subject::Element(at, _) => {
                let Some(column) = table.columns.get(*at) else {
                    return false;
                };
                let value = view.value(*at, column);
                let element =
                    element(&column.column_type, value.as_deref(), self.element.as_deref());
                if let ColumnType::Map(_, held) | ColumnType::List(held) = &column.column_type {
                    return self.compare(held, element.as_deref());
                }
                false
            }
        }
    }

    fn compare(&self, column_type: &ColumnType, value: Option<&[u8]>) -> bool {
        let sort = |bytes: &[u8]| {
            // Tuples of clustering columns may be compared by their first parts only.
            sort_key::key(column_type, bytes)
        };
        let first = self.values.first().and_then(|first| first.as_deref());
        let (Some(value), operator) = (value, self.test.operator) else {
            let null_wanted = self.values.iter().any(Option::is_none);
            return match self.test.operator {
                Operator::Equal | Operator::In => null_wanted,
                Operator::NotEqual => first.is_some(),
                Operator::Less
                | Operator::LessOrEqual
                | Operator::Greater
                | Operator::GreaterOrEqual
                | Operator::Contains
                | Operator::ContainsKey
                | Operator::Like
                | Operator::IsNotNull => false,
            };
        };
        if operator == Operator::In {
            let value = sort(value);
            return self.values.iter().flatten().any(|one| sort(one) == value);
        }
        if operator == Operator::IsNotNull {
            return true;
        }
        let Some(first) = first else {
            return operator == Operator::NotEqual;
        };
        let ordering = sort(value).cmp(&sort(first));
        match operator {
            Operator::Equal => ordering.is_eq(),
            Operator::NotEqual => ordering.is_ne(),
            Operator::Less => ordering.is_lt(),
            Operator::LessOrEqual => ordering.is_le(),
            Operator::Greater => ordering.is_gt(),
            Operator::GreaterOrEqual => ordering.is_ge(),
            Operator::Like => is_like(value, first),
            Operator::In | Operator::Contains | Operator::ContainsKey | Operator::IsNotNull => {
                false
            }
        }
    }

    fn contains(&self, column_type: &ColumnType, value: Option<&[u8]>, keys: bool) -> bool {
        let (Some(value), Some(Some(wanted))) = (value, self.values.first()) else {
            return false;
        };
        let is_map = matches!(column_type, ColumnType::Map(..));
        let parts = elements::split(value, if is_map { 2 } else { 1 }).unwrap_or_default();
        let mut parts = parts.into_iter().enumerate();
        parts.any(|(at, part)| (!is_map || (at % 2 == 0) == keys) && part == wanted.as_slice())
    }
}

/// One element of a serialized map or list.
pub(crate) fn element(
    column_type: &ColumnType,
    value: Option<&[u8]>,
    key: Option<&[u8]>,
) -> Option<Vec<u8>> {
    let (value, key) = (value?, key?);
    if let ColumnType::List(_) = column_type {
        let at = usize::try_from(i32::from_be_bytes(*key.first_chunk::<4>()?)).ok()?;
        return elements::split(value, 1)?.get(at).map(|part| part.to_vec());
    }
    let parts = elements::split(value, 2)?;
    let pair = parts.chunks_exact(2).find(|pair| pair.first() == Some(&key))?;
    pair.last().map(|part| part.to_vec())
}

/// `%` at either end stands for anything.
fn is_like(value: &[u8], pattern: &[u8]) -> bool {
    let (value, pattern) = (String::from_utf8_lossy(value), String::from_utf8_lossy(pattern));
    let middle = pattern.trim_matches('%');
    match (pattern.starts_with('%'), pattern.ends_with('%')) {
        (true, true) => value.contains(middle),
        (true, false) => value.ends_with(middle),
        (false, true) => value.starts_with(middle),
        (false, false) => value == pattern,
    }
}
