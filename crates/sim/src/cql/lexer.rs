//! Splits a text into tokens, and refuses what a server refuses.
//!
//! It shares nothing with the product's lexers: fuzzing compares what they understand with what this node runs.

use crate::cql::error::CqlError;
use crate::cql::values::duration;

/// What a token is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A bare word, as written.
    Word(String),
    /// A name in double quotes, unescaped.
    Quoted(String),
    /// A string in single quotes or between `$$`, unescaped.
    Text(String),
    /// Digits.
    Integer(String),
    /// Digits with a point or an exponent.
    Float(String),
    /// `0x…`, as written.
    Hex(String),
    /// A uuid, as written.
    Uuid(String),
    /// Digits with units, such as `1h30m`, or a duration of ISO 8601.
    Duration(String),
    /// Punctuation.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// One token and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// From 1.
    pub(crate) line: usize,
    /// From 0.
    pub(crate) column: usize,
}

impl Token {
    /// The token as an error message cites it.
    pub(crate) fn cited(&self) -> String {
        match &self.kind {
            Kind::Word(text)
            | Kind::Quoted(text)
            | Kind::Text(text)
            | Kind::Integer(text)
            | Kind::Float(text)
            | Kind::Hex(text)
            | Kind::Uuid(text)
            | Kind::Duration(text) => text.clone(),
            Kind::Symbol(text) => (*text).to_owned(),
            Kind::End => "<EOF>".to_owned(),
        }
    }
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: &[&str] = &[
    "<=", ">=", "!=", "+=", "-=", "(", ")", "[", "]", "{", "}", ",", ";", ":", ".", "?", "*", "=",
    "<", ">", "+", "-", "/", "%",
];

/// The tokens of `text`, the last of them [`Kind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, CqlError> {
    let mut lexer = Lexer { rest: text, line: 1, column: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let (line, column) = (lexer.line, lexer.column);
        let kind = lexer.next_kind()?;
        let end = kind == Kind::End;
        tokens.push(Token { kind, line, column });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl<'a> Lexer<'a> {
    fn advance(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        for c in taken.chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 0;
            } else {
                self.column += 1;
            }
        }
        taken
    }

    fn refuse(&self, what: &str) -> CqlError {
        CqlError::syntax(format!("line {}:{} {what}", self.line, self.column))
    }

    /// Blanks and comments; a line comment must end with a newline, as on the real server.
    fn skip_blanks(&mut self) -> Result<(), CqlError> {
        loop {
            let blank =
                self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            self.advance(blank);
            if self.rest.starts_with("--") || self.rest.starts_with("//") {
                let Some(end) = self.rest.find('\n') else {
                    return Err(self.refuse("mismatched character '<EOF>' expecting set null"));
                };
                self.advance(end + 1);
            } else if let Some(inside) = self.rest.strip_prefix("/*") {
                let Some(end) = inside.find("*/") else {
                    return Err(self.refuse("mismatched character '<EOF>' expecting '*'"));
                };
                self.advance("/*".len() + end + "*/".len());
            } else {
                return Ok(());
            }
        }
    }

    fn next_kind(&mut self) -> Result<Kind, CqlError> {
        let Some(first) = self.rest.chars().next() else {
            return Ok(Kind::End);
        };
        if first == '\'' {
            return Ok(Kind::Text(self.quoted('\'')?));
        }
        if first == '"' {
            return Ok(Kind::Quoted(self.quoted('"')?));
        }
        if let Some(body) = self.rest.strip_prefix("$$") {
            let Some(end) = body.find("$$") else {
                return Err(self.refuse("mismatched character '<EOF>' expecting '$'"));
            };
            let inner = body.get(..end).unwrap_or_default().to_owned();
            self.advance(end + 4);
            return Ok(Kind::Text(inner));
        }
        if first.is_ascii_hexdigit()
            && let Some(uuid) = self.rest.get(..36)
            && is_uuid(uuid)
        {
            return Ok(Kind::Uuid(self.advance(36).to_owned()));
        }
        if first.is_ascii_digit() {
            return Ok(self.number());
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let end = word_len(self.rest);
            let word = self.advance(end).to_owned();
            return Ok(if is_iso_duration(&word) {
                Kind::Duration(word)
            } else {
                Kind::Word(word)
            });
        }
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| self.rest.starts_with(**symbol)) {
            self.advance(symbol.len());
            return Ok(Kind::Symbol(symbol));
        }
        Err(self.refuse(&format!("no viable alternative at character '{first}'")))
    }

    fn quoted(&mut self, quote: char) -> Result<String, CqlError> {
        let mut out = String::new();
        let mut chars = self.rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c != quote {
                out.push(c);
            } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
                out.push(quote);
                chars.next();
            } else {
                self.advance(at + 1);
                return Ok(out);
            }
        }
        Err(self.refuse(&format!("mismatched character '<EOF>' expecting '{quote}'")))
    }

    fn number(&mut self) -> Kind {
        let bytes = self.rest.as_bytes();
        let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
        if at(0) == b'0' && matches!(at(1), b'x' | b'X') {
            let hex = bytes.iter().skip(2).take_while(|b| b.is_ascii_hexdigit()).count();
            return Kind::Hex(self.advance(2 + hex).to_owned());
        }
        let mut end = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut float = false;
        if at(end) == b'.' {
            float = true;
            end += 1;
            while at(end).is_ascii_digit() {
                end += 1;
            }
        }
        if matches!(at(end), b'e' | b'E') {
            let sign = usize::from(matches!(at(end + 1), b'+' | b'-'));
            if at(end + 1 + sign).is_ascii_digit() {
                float = true;
                end += 1 + sign;
                while at(end).is_ascii_digit() {
                    end += 1;
                }
            }
        }
        let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '\u{b5}');
        let word_len = self.rest.find(|c: char| !is_inside(c)).unwrap_or(self.rest.len());
        let word = self.rest.get(..word_len).unwrap_or_default();
        if !float && duration::has_units(word) {
            return Kind::Duration(self.advance(word.len()).to_owned());
        }
        let digits = self.advance(end).to_owned();
        if float { Kind::Float(digits) } else { Kind::Integer(digits) }
    }
}

/// Length in bytes of the letters, digits and underscores at the front.
fn word_len(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// `P` and at least one number with a unit, such as `P1Y2DT3H`.
fn is_iso_duration(word: &str) -> bool {
    let Some(rest) = word.strip_prefix('P') else {
        return false;
    };
    rest.contains(|c: char| c.is_ascii_digit())
        && rest.ends_with(|c: char| c.is_ascii_uppercase())
        && rest.chars().all(|c| c.is_ascii_digit() || "YMWDTHS".contains(c))
}
