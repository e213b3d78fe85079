//! The columns of a key in a JSON document, as `INSERT … JSON` stores them.
//!
//! The document is read as far as its outermost members need, in one walk and without an allocation.
//! What is inside other values is not checked: a document that is no JSON is refused by every server,
//! wherever it arrives.

use crate::statement::lexer::READ_BYTES_MAX;
use crate::statement::partition::KEY_COLUMNS_MAX;
use crate::values::column_type::ColumnType;
use crate::values::literal::Literal;
use crate::values::scalar::{Uncertain, put_scalar};

/// How deep values may nest.
const DEPTH_MAX: usize = 32;

/// A document, unread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Document<'a> {
    text: &'a str,
    /// Whether it is a constant of CQL, in which each `'` is doubled.
    is_doubled: bool,
}

/// The value of a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DocumentValue<'a> {
    json: Json<'a>,
    is_doubled: bool,
}

/// A value as it stands in the document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Json<'a> {
    /// What stands between `"`, escapes not undone.
    Text(&'a str),
    /// A number, `true`, `false` or `null`.
    Plain(&'a str),
    /// An array or object.
    Group,
}

/// What is left of a document.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Document<'a> {
    /// The document that a constant of CQL is; `None` when it is none.
    #[must_use]
    pub fn of_literal(literal: &Literal<'a>) -> Option<Self> {
        match *literal {
            Literal::Text(text) => Some(Self { text, is_doubled: true }),
            Literal::Dollars(text) => Some(Self { text, is_doubled: false }),
            Literal::Integer(_)
            | Literal::Float(_)
            | Literal::Boolean(_)
            | Literal::Hex(_)
            | Literal::Uuid(_)
            | Literal::List(_)
            | Literal::Braces(_)
            | Literal::Tuple(_) => None,
        }
    }

    /// The document that is bound to a marker; `None` when it is no text, or longer than is read.
    #[must_use]
    pub fn of_bytes(bytes: &'a [u8]) -> Option<Self> {
        let text = bytes.get(..bytes.len().min(READ_BYTES_MAX + 1))?;
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= READ_BYTES_MAX)?;
        Some(Self { text, is_doubled: false })
    }

    /// Finds the values of the columns `names`, as the schema has them. A column that is missing or
    /// comes twice is uncertain.
    pub fn find(
        &self,
        names: &[&str],
    ) -> Result<[Option<DocumentValue<'a>>; KEY_COLUMNS_MAX], Uncertain> {
        let mut found = [None; KEY_COLUMNS_MAX];
        let mut cursor = Cursor { rest: self.text };
        cursor.expect(b'{')?;
        let mut is_first = true;
        while !cursor.take(b'}') {
            if !is_first {
                cursor.expect(b',')?;
            }
            is_first = false;
            cursor.expect(b'"')?;
            let name = cursor.string()?;
            cursor.expect(b':')?;
            let value = DocumentValue { json: cursor.value()?, is_doubled: self.is_doubled };
            let name = MemberName::read(name, self.is_doubled)?;
            if let Some(position) = names.iter().position(|wanted| name.is(wanted)) {
                let slot = found.get_mut(position).ok_or(Uncertain)?;
                slot.replace(value).map_or(Ok(()), |_| Err(Uncertain))?;
            }
        }
        let is_whole =
            cursor.peek().is_none() && found.iter().take(names.len()).all(Option::is_some);
        is_whole.then_some(found).ok_or(Uncertain)
    }
}

/// The name of a member. Servers take it for lower case unless it stands in quotes of its own.
struct MemberName<'a> {
    raw: &'a str,
    is_quoted: bool,
}

impl<'a> MemberName<'a> {
    /// An escape or a quote inside is uncertain: the name may be that of a column.
    fn read(raw: &'a str, is_doubled: bool) -> Result<Self, Uncertain> {
        let inside = raw.strip_prefix("\\\"").and_then(|raw| raw.strip_suffix("\\\""));
        let is_quoted = inside.is_some();
        let raw = inside.unwrap_or(raw);
        // Servers make other letters lower case each in its own way.
        let is_plain = raw.is_ascii() || is_quoted;
        let is_odd = raw.contains(['\\', '"']) || is_doubled && raw.contains('\'');
        (is_plain && !is_odd).then_some(Self { raw, is_quoted }).ok_or(Uncertain)
    }

    fn is(&self, name: &str) -> bool {
        if self.is_quoted {
            return self.raw == name;
        }
        let lower = self.raw.bytes().map(|byte| byte.to_ascii_lowercase());
        self.raw.len() == name.len() && lower.eq(name.bytes())
    }
}

impl<'a> DocumentValue<'a> {
    /// The value as the document has it, a string without its quotes, an array or object as `…`.
    #[must_use]
    pub fn as_written(&self) -> &'a str {
        match self.json {
            Json::Text(text) | Json::Plain(text) => text,
            Json::Group => "…",
        }
    }

    /// Appends the bytes that a column of type `kind` gets. May have appended a part when they are
    /// uncertain, as numbers with a point are: servers keep other digits of them.
    pub fn put(&self, kind: &ColumnType, out: &mut Vec<u8>) -> Result<(), Uncertain> {
        match (self.json, kind) {
            (
                Json::Plain(digits),
                ColumnType::Tinyint
                | ColumnType::Smallint
                | ColumnType::Int
                | ColumnType::Bigint
                | ColumnType::Varint
                | ColumnType::Timestamp,
            ) => put_scalar(digits, kind, out),
            (Json::Plain(word @ ("true" | "false")), ColumnType::Boolean) => {
                put_scalar(word, kind, out)
            }
            (Json::Text(raw), ColumnType::Varchar | ColumnType::Ascii) => {
                put_text(raw, self.is_doubled, kind, out)
            }
            // Unlike constants, `0X` is refused.
            (Json::Text(raw), ColumnType::Blob) if raw.starts_with("0x") => {
                put_scalar(raw, kind, out)
            }
            (
                Json::Text(raw),
                ColumnType::Tinyint
                | ColumnType::Smallint
                | ColumnType::Int
                | ColumnType::Bigint
                | ColumnType::Varint
                | ColumnType::Uuid
                | ColumnType::Timeuuid
                | ColumnType::Inet
                | ColumnType::Date
                | ColumnType::Time
                | ColumnType::Timestamp,
            ) => put_scalar(raw, kind, out),
            (Json::Text(_) | Json::Plain(_) | Json::Group, _) => Err(Uncertain),
        }
    }
}

/// Appends a string, its escapes and doubled `'` undone.
fn put_text(
    raw: &str,
    is_doubled: bool,
    kind: &ColumnType,
    out: &mut Vec<u8>,
) -> Result<(), Uncertain> {
    let mut rest = raw;
    while let Some(at) = rest.find(['\\', '\'']) {
        let (before, escape) = rest.split_at(at);
        put_scalar(before, kind, out)?;
        let (len, letter) = match escape.as_bytes() {
            [b'\'', ..] => (1 + usize::from(is_doubled), '\''),
            [b'\\', b'u', ..] => unescaped_code(escape)?,
            [b'\\', escaped, ..] => (2, unescaped(*escaped)?),
            _ => return Err(Uncertain),
        };
        put_scalar(letter.encode_utf8(&mut [0; 4]), kind, out)?;
        rest = escape.get(len..).ok_or(Uncertain)?;
    }
    put_scalar(rest, kind, out)
}

/// The length of `\uXXXX`, or of two that are one letter together, and the letter.
fn unescaped_code(escape: &str) -> Result<(usize, char), Uncertain> {
    let unit = |at: usize| {
        let digits = escape.get(at..at + 6)?.strip_prefix("\\u")?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    };
    let first = unit(0).ok_or(Uncertain)?;
    let is_pair = (0xd800..0xdc00).contains(&first);
    let units = [Some(first), is_pair.then(|| unit(6)).flatten()];
    let mut letters = char::decode_utf16(units.into_iter().flatten());
    let letter = letters.next().and_then(Result::ok).ok_or(Uncertain)?;
    Ok((if is_pair { 12 } else { 6 }, letter))
}

fn unescaped(escaped: u8) -> Result<char, Uncertain> {
    Ok(match escaped {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return Err(Uncertain),
    })
}

impl<'a> Cursor<'a> {
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.bytes().next()
    }

    /// Steps over `count` bytes.
    fn step(&mut self, count: usize) -> Result<&'a str, Uncertain> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Uncertain)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take(&mut self, sign: u8) -> bool {
        self.peek() == Some(sign) && self.step(1).is_ok()
    }

    fn expect(&mut self, sign: u8) -> Result<(), Uncertain> {
        self.take(sign).then_some(()).ok_or(Uncertain)
    }

    /// Takes the rest of a string behind its first `"`.
    fn string(&mut self) -> Result<&'a str, Uncertain> {
        let mut is_escaped = false;
        let end = self.rest.bytes().position(|byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        });
        let inside = self.step(end.ok_or(Uncertain)?)?;
        self.step(1)?;
        // Servers differ in strings that hold a line break.
        (!inside.bytes().any(|byte| byte < b' ')).then_some(inside).ok_or(Uncertain)
    }

    fn value(&mut self) -> Result<Json<'a>, Uncertain> {
        match self.peek().ok_or(Uncertain)? {
            b'"' => {
                self.step(1)?;
                self.string().map(Json::Text)
            }
            b'{' | b'[' => self.skip_group().map(|()| Json::Group),
            _ => {
                let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
                let len = self.rest.bytes().take_while(|byte| is_part(*byte)).count();
                if len == 0 {
                    return Err(Uncertain);
                }
                self.step(len).map(Json::Plain)
            }
        }
    }

    /// Steps over an array or object.
    fn skip_group(&mut self) -> Result<(), Uncertain> {
        let mut depth = 0_usize;
        loop {
            match self.peek().ok_or(Uncertain)? {
                b'"' => {
                    self.step(1)?;
                    self.string()?;
                    continue;
                }
                b'{' | b'[' if depth < DEPTH_MAX => depth += 1,
                b'{' | b'[' => return Err(Uncertain),
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            let next = self.rest.chars().next().map_or(1, char::len_utf8);
            self.step(next)?;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
