//! WHERE, checked against a table: which partitions, which slice, which rows.

use crate::cql::ast::Left;
use crate::cql::ast::Operator;
use crate::cql::ast::Relation;
use crate::cql::ast::Right;
use crate::cql::ast::Term;
use crate::cql::error::CqlError;
use crate::cql::expression::Expr;
use crate::like::Like;
use crate::store::definitions::schema::Column;
use crate::store::definitions::schema::ColumnKind;
use crate::store::definitions::schema::Table;
use crate::store::plans::bind::Binder;
use crate::store::plans::bind::Receiver;
use cql::values::column_type::ColumnType;

/// What a test looks at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Subject {
    /// The column at this position.
    Column(usize),
    /// Several clustering columns as one value.
    Columns(Vec<usize>),
    /// The element of a map or list.
    Element(usize, Expr),
    /// The token of the partition key.
    Token,
}

/// The right side of a test.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Against {
    /// One value.
    One(Expr),
    /// `IN (a, b)`.
    Many(Vec<Expr>),
    /// `IN ?`: a list.
    Listed(Expr),
}

/// One part of a WHERE or IF.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Test {
    pub(crate) subject: Subject,
    pub(crate) operator: Operator,
    pub(crate) against: Against,
}

impl Test {
    fn is_on(&self, position: usize) -> bool {
        match &self.subject {
            Subject::Column(at) | Subject::Element(at, _) => *at == position,
            Subject::Columns(at) => at.contains(&position),
            Subject::Token => false,
        }
    }

    /// Whether its right side is the same at any time.
    pub(crate) fn is_pure(&self) -> bool {
        match &self.against {
            Against::One(expr) | Against::Listed(expr) => expr.is_pure(),
            Against::Many(exprs) => exprs.iter().all(Expr::is_pure),
        }
    }

    /// Whether it fixes the column to one value or a few.
    fn fixes(&self, position: usize) -> bool {
        let keyed = matches!(self.operator, Operator::Equal | Operator::In);
        keyed && self.subject == Subject::Column(position)
    }
}

/// The WHERE of one statement.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Restrictions {
    pub(crate) tests: Vec<Test>,
}

impl Restrictions {
    /// Binds relations to the columns of `table`.
    pub(crate) fn bind(
        binder: &mut Binder<'_>,
        table: &Table,
        relations: &[Relation],
        like: Like,
    ) -> Result<Self, CqlError> {
        check_mixed(table, relations)?;
        let relations = relations.iter().flat_map(by_column);
        let tests = relations.map(|relation| test(binder, table, &relation, like));
        Ok(Self { tests: tests.collect::<Result<_, _>>()? })
    }

    /// The test that fixes a column.
    pub(crate) fn fixing(&self, position: usize) -> Option<&Test> {
        // The last one wins, as in the server's pk_indexes.
        self.tests.iter().rev().find(|test| test.fixes(position))
    }

    /// Whether every column of the partition key is fixed.
    pub(crate) fn fixes_partition(&self, table: &Table) -> bool {
        (0..table.partition_len).all(|position| self.fixing(position).is_some())
    }

    /// Whether a column is restricted.
    pub(crate) fn mentions(&self, position: usize) -> bool {
        self.tests.iter().any(|test| test.is_on(position))
    }

    /// For each column of the partition key its bind variable; empty unless all are bound.
    pub(crate) fn pk_indexes(&self, table: &Table) -> Vec<u16> {
        let index = |position| {
            let test = self.fixing(position)?;
            match (&test.operator, &test.against, &test.subject) {
                (Operator::Equal, Against::One(expr), Subject::Column(_)) => {
                    u16::try_from(expr.marker()?).ok()
                }
                _ => None,
            }
        };
        let indexes: Option<Vec<u16>> = (0..table.partition_len).map(index).collect();
        indexes.unwrap_or_default()
    }

    /// Whether rows must be read and filtered one by one, so that the server wants ALLOW FILTERING.
    pub(crate) fn needs_filtering(&self, table: &Table) -> bool {
        let by_token = self.tests.iter().any(|test| test.subject == Subject::Token);
        let partition = (0..table.partition_len).filter(|at| self.mentions(*at)).count();
        let whole = self.fixes_partition(table);
        if partition > 0 && !whole && !by_token {
            return true;
        }
        // Slices and gaps: after the first slice or gap nothing may be restricted.
        let mut open = false;
        for at in table.partition_len..table.partition_len + table.clustering_len {
            let mentioned = self.mentions(at);
            let keyed = self.tests.iter().filter(|test| test.is_on(at)).all(|test| {
                !matches!(
                    test.operator,
                    Operator::Contains | Operator::ContainsKey | Operator::Like
                ) && !matches!(test.subject, Subject::Element(..))
            });
            let joined = self.tests.iter().any(|test| match &test.subject {
                Subject::Columns(columns) => columns.contains(&at),
                Subject::Column(_) | Subject::Element(..) | Subject::Token => false,
            });
            if mentioned && ((open && !joined) || !keyed || !whole) {
                return true;
            }
            open |= self.fixing(at).is_none();
        }
        let key_len = table.partition_len + table.clustering_len;
        self.tests.iter().any(|test| match &test.subject {
            Subject::Column(at) | Subject::Element(at, _) => *at >= key_len,
            Subject::Columns(_) | Subject::Token => false,
        })
    }

    /// Whether an index answers what would need filtering otherwise.
    pub(crate) fn uses_index(&self, table: &Table) -> bool {
        self.tests.iter().any(|test| match &test.subject {
            Subject::Column(at) | Subject::Element(at, _) => {
                let name = table.columns.get(*at).map(|column| &column.name);
                let found = table.indexes.values().any(|target| Some(target) == name);
                found
                    && matches!(
                        test.operator,
                        Operator::Equal | Operator::Contains | Operator::ContainsKey
                    )
            }
            Subject::Columns(_) | Subject::Token => false,
        })
    }
}

/// Refuses `(c) > (1) AND c <= 3`.
fn check_mixed(table: &Table, relations: &[Relation]) -> Result<(), CqlError> {
    let joint = relations.iter().any(|relation| matches!(relation.left, Left::Columns(_)));
    let is_clustering = |name: &String| table.clustering().iter().any(|it| it.name == *name);
    let single = relations.iter().any(|relation| match &relation.left {
        Left::Column(name) => is_clustering(name),
        Left::Element(..) | Left::Columns(_) | Left::Token(_) => false,
    });
    if joint && single {
        return Err(CqlError::invalid(
            "Mixing single column relations and multi column relations on clustering columns is \
             not allowed",
        ));
    }
    Ok(())
}

/// `(a, b) = (1, 2)` as one relation for each column; everything else as it is.
fn by_column(relation: &Relation) -> Vec<Relation> {
    if let (Left::Columns(names), Operator::Equal) = (&relation.left, relation.operator)
        && let Right::One(Term::Tuple(parts)) = &relation.right
        && parts.len() == names.len()
    {
        let single = |(name, part): (&String, &Term)| Relation {
            left: Left::Column(name.clone()),
            operator: Operator::Equal,
            right: Right::One(part.clone()),
        };
        return names.iter().zip(parts).map(single).collect();
    }
    vec![relation.clone()]
}

/// Whether all clustering columns of a joint relation are sorted the same way.
pub(crate) fn same_direction(table: &Table, positions: &[usize]) -> bool {
    let mut directions = positions.iter().filter_map(|at| Some(table.columns.get(*at)?.descending));
    let first = directions.next();
    directions.all(|direction| Some(direction) == first)
}

/// The position of a column, or the server's refusal.
pub(crate) fn position(table: &Table, name: &str) -> Result<usize, CqlError> {
    table.position(name).ok_or_else(|| CqlError::invalid(format!("Unrecognized name {name}")))
}

fn column_at(table: &Table, position: usize) -> Result<&Column, CqlError> {
    table.columns.get(position).ok_or_else(|| CqlError::invalid("Unrecognized name"))
}

/// Binds one relation.
pub(crate) fn test(
    binder: &mut Binder<'_>,
    table: &Table,
    relation: &Relation,
    like: Like,
) -> Result<Test, CqlError> {
    let operator = relation.operator;
    let (subject, to) = match &relation.left {
        Left::Column(name) => {
            let at = position(table, name)?;
            let column = column_at(table, at)?;
            (Subject::Column(at), column_receiver(column, operator)?)
        }
        Left::Element(name, key) => {
            let at = position(table, name)?;
            let column = column_at(table, at)?;
            let (key_to, element) = element_receivers(column)?;
            let key = binder.bind(key, &key_to)?;
            (Subject::Element(at, key), element)
        }
        Left::Columns(names) => {
            let at: Vec<usize> =
                names.iter().map(|name| position(table, name)).collect::<Result<_, _>>()?;
            let columns: Vec<&Column> =
                at.iter().map(|at| column_at(table, *at)).collect::<Result<_, _>>()?;
            if let Some(other) = columns.iter().find(|c| c.kind != ColumnKind::Clustering) {
                return Err(CqlError::invalid(format!(
                    "Multi-column relations can only be applied to clustering columns but was \
                     applied to: {}",
                    other.name
                )));
            }
            let types = columns.iter().map(|column| column.column_type.clone()).collect();
            let name = format!("({})", names.join(","));
            (Subject::Columns(at), Receiver::new(&name, ColumnType::Tuple(types)))
        }
        Left::Token(names) => {
            let key: Vec<&String> = table.partition_key().iter().map(|c| &c.name).collect();
            if names.iter().collect::<Vec<_>>() != key {
                return Err(CqlError::invalid(format!(
                    "The token function arguments must be in the partition key order: {}",
                    key.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
                )));
            }
            (Subject::Token, Receiver::new("partition key token", ColumnType::Bigint))
        }
    };
    let against = match &relation.right {
        Right::One(term) if operator == Operator::In => {
            let word = if like == Like::V6_2 { "in" } else { "IN" };
            let name = format!("{word}({})", to.name);
            let list = ColumnType::List(Box::new(to.column_type));
            Against::Listed(binder.bind(term, &Receiver::new(&name, list))?)
        }
        Right::One(term) => Against::One(bind_right(binder, table, term, &to)?),
        Right::Many(terms) => {
            let bound = terms.iter().map(|term| binder.bind(term, &to));
            Against::Many(bound.collect::<Result<_, _>>()?)
        }
    };
    Ok(Test { subject, operator, against })
}

/// `token(a, b)` on the right becomes its constant; everything else is bound as it is.
fn bind_right(
    binder: &mut Binder<'_>,
    table: &Table,
    term: &Term,
    to: &Receiver,
) -> Result<Expr, CqlError> {
    let Term::Call(name, arguments) = term else {
        return binder.bind(term, to);
    };
    if !name.eq_ignore_ascii_case("token") || to.column_type != ColumnType::Bigint {
        return binder.bind(term, to);
    }
    let bound = arguments
        .iter()
        .zip(table.partition_key())
        .map(|(argument, column)| binder.bind(argument, &Receiver::column(column)));
    let components = bound.collect::<Result<_, _>>()?;
    Ok(Expr::Call(crate::cql::function::Function::Token, components))
}

/// The receiver of the right side of an operator on a whole column.
fn column_receiver(column: &Column, operator: Operator) -> Result<Receiver, CqlError> {
    let name = &column.name;
    match (operator, &column.column_type) {
        (Operator::Contains, ColumnType::List(element) | ColumnType::Set(element)) => {
            Ok(Receiver::new(&format!("value({name})"), (**element).clone()))
        }
        (Operator::Contains, ColumnType::Map(_, value)) => {
            Ok(Receiver::new(&format!("value({name})"), (**value).clone()))
        }
        (Operator::ContainsKey, ColumnType::Map(key, _)) => {
            Ok(Receiver::new(&format!("key({name})"), (**key).clone()))
        }
        (Operator::Contains | Operator::ContainsKey, _) => {
            let word = operator.word();
            Err(CqlError::invalid(format!("Cannot use {word} on non-collection column {name}")))
        }
        _ => Ok(Receiver::column(column)),
    }
}

/// The key and the value of an element of a map or list.
pub(crate) fn element_receivers(column: &Column) -> Result<(Receiver, Receiver), CqlError> {
    let name = &column.name;
    if let ColumnType::Map(key, value) = &column.column_type {
        return Ok((
            Receiver::new(&format!("key({name})"), (**key).clone()),
            Receiver::new(&format!("value({name})"), (**value).clone()),
        ));
    }
    if let ColumnType::List(element) = &column.column_type {
        return Ok((
            Receiver::new(&format!("idx({name})"), ColumnType::Int),
            Receiver::new(&format!("value({name})"), (**element).clone()),
        ));
    }
    Err(CqlError::invalid(format!("Column {name} is not a map or list")))
}
