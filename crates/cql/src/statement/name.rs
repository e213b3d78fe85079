//! Names of keyspaces, tables and columns as a text writes them.

use crate::statement::lexer::{Lexeme, Lexer};

/// A name, its case and its quotes not undone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Name<'a> {
    raw: &'a str,
    is_quoted: bool,
}

/// A table as a text names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TableName<'a> {
    /// Its keyspace; `None`: the one that the client uses.
    pub keyspace: Option<Name<'a>>,
    /// The table.
    pub table: Name<'a>,
}

/// Writes a name so that a server reads it as it stands: it keeps its case and cannot end early.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl<'a> Name<'a> {
    /// The name that a token is; unquoted, it begins with a letter.
    #[must_use]
    pub fn of(token: Lexeme<'a>) -> Option<Self> {
        match token {
            Lexeme::Word(raw) if raw.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                raw.is_ascii().then_some(Self { raw, is_quoted: false })
            }
            Lexeme::Quoted(raw) if !raw.is_empty() => Some(Self { raw, is_quoted: true }),
            Lexeme::Word(_)
            | Lexeme::Quoted(_)
            | Lexeme::Text(_)
            | Lexeme::Dollars(_)
            | Lexeme::Integer(_)
            | Lexeme::Float(_)
            | Lexeme::Hex(_)
            | Lexeme::Uuid(_)
            | Lexeme::Duration(_)
            | Lexeme::Sign(_)
            | Lexeme::Broken => None,
        }
    }

    /// Takes a name.
    pub(crate) fn take(lexer: &mut Lexer<'a>) -> Option<Self> {
        let mut ahead = *lexer;
        let name = Self::of(ahead.next()?)?;
        *lexer = ahead;
        Some(name)
    }

    /// Bytes that it takes in its text.
    pub(crate) fn written_len(&self) -> usize {
        self.raw.len() + if self.is_quoted { 2 } else { 0 }
    }

    /// Whether it stands for `name`, as the schema has it: unquoted names are lower case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        if !self.is_quoted {
            let lower = self.raw.bytes().map(|byte| byte.to_ascii_lowercase());
            return self.raw.len() == name.len() && lower.eq(name.bytes());
        }
        let mut rest = name;
        for (index, part) in self.raw.split("\"\"").enumerate() {
            let quote = if index > 0 { "\"" } else { "" };
            let after = rest.strip_prefix(quote).and_then(|rest| rest.strip_prefix(part));
            let Some(after) = after else { return false };
            rest = after;
        }
        rest.is_empty()
    }

    /// Appends the name as the schema has it.
    pub fn put(&self, out: &mut String) {
        if !self.is_quoted {
            return out.extend(self.raw.chars().map(|letter| letter.to_ascii_lowercase()));
        }
        for (index, part) in self.raw.split("\"\"").enumerate() {
            if index > 0 {
                out.push('"');
            }
            out.push_str(part);
        }
    }

    /// The name as the schema has it.
    #[must_use]
    pub fn to_name(&self) -> String {
        let mut name = String::new();
        self.put(&mut name);
        name
    }
}

impl<'a> TableName<'a> {
    /// Takes `table` or `keyspace.table`.
    pub(crate) fn take(lexer: &mut Lexer<'a>) -> Option<Self> {
        let first = Name::take(lexer)?;
        if lexer.take_sign(b'.') {
            return Some(Self { keyspace: Some(first), table: Name::take(lexer)? });
        }
        Some(Self { keyspace: None, table: first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<Name<'_>> {
        Name::take(&mut Lexer::new(text))
    }

    #[test]
    fn unquoted_names_are_lower_case() {
        let users = name("Users").unwrap();
        assert!(users.is("users") && !users.is("Users") && !users.is("user"));
        assert_eq!(users.to_name(), "users");
    }

    #[test]
    fn quotes_hold_their_case_and_their_doubles() {
        let odd = name("\"A\"\"b\"\"\"").unwrap();
        assert_eq!(odd.to_name(), "A\"b\"");
        assert!(odd.is("A\"b\"") && !odd.is("A\"b") && !odd.is("A\"\"b\"\""));
    }

    #[test]
    fn a_quoted_name_is_read_as_it_stood() {
        for text in ["T", "a\"b\"", "it's", "a b;", "\u{e9}"] {
            assert!(name(&quoted(text)).unwrap().is(text), "{text}");
        }
    }

    #[test]
    fn other_tokens_are_no_names() {
        for text in ["_a", "'a'", "1", "\"\"", ".", ""] {
            assert!(name(text).is_none(), "{text}");
        }
        // Servers take letters of ASCII alone.
        assert!(name("aé").is_none());
    }

    #[test]
    fn a_table_has_a_keyspace_or_not() {
        let mut lexer = Lexer::new("Ks . \"T\" rest");
        let table = TableName::take(&mut lexer).unwrap();
        assert!(table.keyspace.unwrap().is("ks") && table.table.is("T"));
        assert!(TableName::take(&mut lexer).unwrap().keyspace.is_none());
        assert!(TableName::take(&mut Lexer::new("ks.")).is_none());
    }
}
