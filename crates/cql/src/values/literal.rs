//! Literals of CQL turned into the bytes of their column's type, as the servers do it.
//!
//! ScyllaDB is the judge, and where Apache Cassandra differs, or a server's own settings decide,
//! nothing is certain: [`Uncertain`] is an answer of its own, and better than bytes that may be
//! others. What a server refuses is uncertain as well.

use crate::notation::{Reader, put_bytes, put_int};
use crate::statement::lexer::{Lexeme, Lexer};
use crate::statement::name::Name;
use crate::values::column_type::ColumnType;
use crate::values::order;
use crate::values::scalar::{Uncertain, put_scalar};

/// How deep literals of collections may nest.
const DEPTH_MAX: usize = 8;

/// Most elements that are sorted: each is compared with those before it.
const SORTED_MAX: usize = 64;

/// A constant as a text writes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Literal<'a> {
    /// What stands between `'`, doubled ones not undone.
    Text(&'a str),
    /// What stands between `$$`.
    Dollars(&'a str),
    /// Digits, perhaps behind `-`.
    Integer(&'a str),
    /// Digits with a point or an exponent, perhaps behind `-`.
    Float(&'a str),
    /// `true` or `false`.
    Boolean(bool),
    /// `0x` and hexadecimal digits.
    Hex(&'a str),
    /// A uuid.
    Uuid(&'a str),
    /// `[…]`, unread: a list.
    List(&'a str),
    /// `{…}`, unread: a set, a map or a user-defined type.
    Braces(&'a str),
    /// `(…)`, unread: a tuple.
    Tuple(&'a str),
}

impl<'a> Literal<'a> {
    /// Takes a literal. `None` when another thing comes; the lexer may then stand anywhere.
    pub(crate) fn take(lexer: &mut Lexer<'a>) -> Option<Self> {
        match lexer.next()? {
            Lexeme::Text(inside) => Some(Self::Text(inside)),
            Lexeme::Dollars(inside) => Some(Self::Dollars(inside)),
            Lexeme::Integer(digits) => Some(Self::Integer(digits)),
            Lexeme::Float(digits) => Some(Self::Float(digits)),
            Lexeme::Hex(digits) => Some(Self::Hex(digits)),
            Lexeme::Uuid(digits) => Some(Self::Uuid(digits)),
            Lexeme::Word(word) if word.eq_ignore_ascii_case("true") => Some(Self::Boolean(true)),
            Lexeme::Word(word) if word.eq_ignore_ascii_case("false") => Some(Self::Boolean(false)),
            Lexeme::Sign(b'-') => Self::take_negative(lexer),
            Lexeme::Sign(b'[') => Self::take_group(lexer, b'[').map(Self::List),
            Lexeme::Sign(b'{') => Self::take_group(lexer, b'{').map(Self::Braces),
            Lexeme::Sign(b'(') => Self::take_group(lexer, b'(').map(Self::Tuple),
            // It stays in its text: no key can have this type.
            Lexeme::Duration(_) => None,
            Lexeme::Word(_) | Lexeme::Quoted(_) | Lexeme::Sign(_) | Lexeme::Broken => None,
        }
    }

    /// Takes digits that follow a `-` at once.
    fn take_negative(lexer: &mut Lexer<'a>) -> Option<Self> {
        let start = lexer.at().checked_sub(1)?;
        let (literal, len): (fn(&'a str) -> Self, usize) = match lexer.next()? {
            Lexeme::Integer(digits) => (Self::Integer, digits.len()),
            Lexeme::Float(digits) => (Self::Float, digits.len()),
            Lexeme::Word(_)
            | Lexeme::Quoted(_)
            | Lexeme::Text(_)
            | Lexeme::Dollars(_)
            | Lexeme::Hex(_)
            | Lexeme::Uuid(_)
            | Lexeme::Duration(_)
            | Lexeme::Sign(_)
            | Lexeme::Broken => return None,
        };
        let signed = lexer.since(start);
        (signed.len() == 1 + len).then(|| literal(signed))
    }

    /// Takes the rest of a group whose opening bracket was taken.
    fn take_group(lexer: &mut Lexer<'a>, open: u8) -> Option<&'a str> {
        let start = lexer.at().checked_sub(1)?;
        lexer.skip_group(open).then(|| lexer.since(start))
    }

    /// Appends the bytes of a value of type `kind`; appends nothing when they are not certain.
    pub fn put(&self, kind: &ColumnType, out: &mut Vec<u8>) -> Result<(), Uncertain> {
        let start = out.len();
        let put = self.put_nested(kind, out, DEPTH_MAX);
        if put.is_err() {
            out.truncate(start);
        }
        put
    }

    fn put_nested(
        &self,
        kind: &ColumnType,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Uncertain> {
        let depth = depth.checked_sub(1).ok_or(Uncertain)?;
        match (*self, kind) {
            (Self::Text(inside), ColumnType::Varchar | ColumnType::Ascii) => {
                put_undoubled(inside, kind, out)
            }
            (
                Self::Text(inside) | Self::Dollars(inside),
                ColumnType::Varchar
                | ColumnType::Ascii
                | ColumnType::Inet
                | ColumnType::Timestamp
                | ColumnType::Date
                | ColumnType::Time,
            ) => put_scalar(inside, kind, out),
            (
                Self::Integer(digits),
                ColumnType::Tinyint
                | ColumnType::Smallint
                | ColumnType::Int
                | ColumnType::Bigint
                | ColumnType::Varint
                | ColumnType::Decimal
                | ColumnType::Float
                | ColumnType::Double
                | ColumnType::Timestamp
                | ColumnType::Date,
            )
            | (Self::Float(digits), ColumnType::Decimal | ColumnType::Float | ColumnType::Double)
            | (Self::Hex(digits), ColumnType::Blob)
            | (Self::Uuid(digits), ColumnType::Uuid | ColumnType::Timeuuid) => {
                put_scalar(digits, kind, out)
            }
            (Self::Boolean(value), ColumnType::Boolean) => {
                out.push(u8::from(value));
                Ok(())
            }
            (Self::List(group), ColumnType::List(element)) => {
                put_elements(group, &Elements { kind: element, of: Of::List }, out, depth)
            }
            (Self::Braces(group), ColumnType::Set(element)) => {
                put_elements(group, &Elements { kind: element, of: Of::Set }, out, depth)
            }
            (Self::Braces(group), ColumnType::Map(key, value)) => {
                put_elements(group, &Elements { kind: key, of: Of::Map(value) }, out, depth)
            }
            (Self::Braces(group), ColumnType::Udt { fields, .. }) => {
                put_fields(group, fields, out, depth)
            }
            (Self::Tuple(group), ColumnType::Tuple(kinds)) => put_parts(group, kinds, out, depth),
            (
                Self::Text(_)
                | Self::Dollars(_)
                | Self::Integer(_)
                | Self::Float(_)
                | Self::Boolean(_)
                | Self::Hex(_)
                | Self::Uuid(_)
                | Self::List(_)
                | Self::Braces(_)
                | Self::Tuple(_),
                _,
            ) => Err(Uncertain),
        }
    }
}

/// Appends a text in which each `''` stands for one `'`.
fn put_undoubled(inside: &str, kind: &ColumnType, out: &mut Vec<u8>) -> Result<(), Uncertain> {
    for (index, part) in inside.split("''").enumerate() {
        if index > 0 {
            out.push(b'\'');
        }
        put_scalar(part, kind, out)?;
    }
    Ok(())
}

/// A lexer behind the opening bracket of a group.
fn inside(group: &str) -> Lexer<'_> {
    let mut lexer = Lexer::new(group);
    lexer.next();
    lexer
}

/// Appends one element of a collection or part of a tuple, with its length before it.
fn put_part(
    lexer: &mut Lexer<'_>,
    kind: &ColumnType,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Uncertain> {
    let literal = Literal::take(lexer).ok_or(Uncertain)?;
    let at = out.len();
    put_int(out, 0);
    literal.put_nested(kind, out, depth)?;
    let len = out.len() - at - 4;
    set_int(out, at, len)
}

fn set_int(out: &mut [u8], at: usize, value: usize) -> Result<(), Uncertain> {
    let value = i32::try_from(value).map_err(|_| Uncertain)?;
    let place = out.get_mut(at..at + 4).ok_or(Uncertain)?;
    place.copy_from_slice(&value.to_be_bytes());
    Ok(())
}

/// What a collection holds.
struct Elements<'k> {
    /// Type of the elements, or of the keys.
    kind: &'k ColumnType,
    of: Of<'k>,
}

enum Of<'k> {
    List,
    Set,
    /// With the type of its values.
    Map(&'k ColumnType),
}

/// Appends the elements of a collection, their number before them: those of a list as they are written, others
/// as servers sort them.
fn put_elements(
    group: &str,
    elements: &Elements<'_>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Uncertain> {
    let mut lexer = inside(group);
    let (at, mut count) = (out.len(), 0);
    put_int(out, 0);
    let first = out.len();
    while !lexer.take_sign(b']') && !lexer.take_sign(b'}') {
        if count > 0 && !lexer.take_sign(b',') {
            return Err(Uncertain);
        }
        let start = out.len();
        put_part(&mut lexer, elements.kind, out, depth)?;
        if let Of::Map(value) = elements.of {
            lexer.take_sign(b':').then_some(()).ok_or(Uncertain)?;
            put_part(&mut lexer, value, out, depth)?;
        }
        count += 1;
        if !matches!(elements.of, Of::List) && count > 1 {
            (count <= SORTED_MAX).then_some(()).ok_or(Uncertain)?;
            sort_in(out.get_mut(first..).ok_or(Uncertain)?, start - first, elements)?;
        }
    }
    set_int(out, at, count)
}

/// Moves the last element, which begins at `start`, among those before it, which are sorted.
fn sort_in(written: &mut [u8], start: usize, elements: &Elements<'_>) -> Result<(), Uncertain> {
    let (sorted, new) = written.split_at_checked(start).ok_or(Uncertain)?;
    let (new_len, wanted) = (new.len(), key_at(new)?);
    let mut place = 0;
    while let Some(rest) = sorted.get(place..).filter(|rest| !rest.is_empty()) {
        if order::compare(elements.kind, wanted, key_at(rest)?)?.is_lt() {
            break;
        }
        place += len_at(rest, elements)?;
    }
    written.get_mut(place..).ok_or(Uncertain)?.rotate_right(new_len);
    Ok(())
}

/// The element that begins here, or its key.
fn key_at(written: &[u8]) -> Result<&[u8], Uncertain> {
    Reader::new(written).bytes().ok().flatten().ok_or(Uncertain)
}

/// The bytes of the element that begins here, with its length, and of the value behind it in a map.
fn len_at(written: &[u8], elements: &Elements<'_>) -> Result<usize, Uncertain> {
    let mut reader = Reader::new(written);
    let mut len = 0;
    for _ in 0..if matches!(elements.of, Of::Map(_)) { 2 } else { 1 } {
        len += 4 + reader.bytes().ok().flatten().ok_or(Uncertain)?.len();
    }
    Ok(len)
}

/// Appends a tuple of as many parts as its type has.
fn put_parts(
    group: &str,
    kinds: &[ColumnType],
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Uncertain> {
    let mut lexer = inside(group);
    for (index, kind) in kinds.iter().enumerate() {
        if index > 0 && !lexer.take_sign(b',') {
            return Err(Uncertain);
        }
        put_part(&mut lexer, kind, out, depth)?;
    }
    lexer.take_sign(b')').then_some(()).ok_or(Uncertain)
}

/// Appends a user-defined type: its fields in the order of the type, null where one is missing.
fn put_fields(
    group: &str,
    fields: &[(String, ColumnType)],
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Uncertain> {
    let mut written = 0;
    for (name, kind) in fields {
        match field(group, name)? {
            Some(mut lexer) => {
                put_part(&mut lexer, kind, out, depth)?;
                written += 1;
            }
            None => put_bytes(out, None),
        }
    }
    // A field that the type has not, or none at all, is nothing that servers agree on.
    (written > 0 && written == count_fields(group)?).then_some(()).ok_or(Uncertain)
}

/// Where the value of a field begins; `None` when it is not given.
fn field<'a>(group: &'a str, wanted: &str) -> Result<Option<Lexer<'a>>, Uncertain> {
    let mut found = None;
    walk_fields(group, |name, lexer| {
        if name.is(wanted) {
            found = Some(lexer);
        }
    })?;
    Ok(found)
}

fn count_fields(group: &str) -> Result<usize, Uncertain> {
    let mut count = 0;
    walk_fields(group, |_, _| count += 1)?;
    Ok(count)
}

fn walk_fields<'a>(
    group: &'a str,
    mut visit: impl FnMut(Name<'a>, Lexer<'a>),
) -> Result<(), Uncertain> {
    let mut lexer = inside(group);
    loop {
        let name = Name::take(&mut lexer).ok_or(Uncertain)?;
        if !lexer.take_sign(b':') {
            return Err(Uncertain);
        }
        visit(name, lexer);
        Literal::take(&mut lexer).ok_or(Uncertain)?;
        if lexer.take_sign(b'}') {
            return Ok(());
        }
        if !lexer.take_sign(b',') {
            return Err(Uncertain);
        }
    }
}

#[cfg(test)]
mod tests;
