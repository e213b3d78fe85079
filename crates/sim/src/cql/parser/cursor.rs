//! Walks over the tokens of one text.

use crate::cql::ast::Name;
use crate::cql::error::CqlError;
use crate::cql::lexer;
use crate::cql::lexer::Kind;
use crate::cql::lexer::Token;

/// Words that a bare name cannot be (the reserved words of CQL 3.3.1).
pub(crate) const RESERVED: &[&str] = &[
    "add",
    "allow",
    "alter",
    "and",
    "apply",
    "asc",
    "authorize",
    "batch",
    "begin",
    "by",
    "columnfamily",
    "create",
    "delete",
    "desc",
    "describe",
    "drop",
    "entries",
    "execute",
    "from",
    "full",
    "grant",
    "if",
    "in",
    "index",
    "infinity",
    "insert",
    "into",
    "is",
    "keyspace",
    "limit",
    "materialized",
    "modify",
    "nan",
    "norecursive",
    "not",
    "null",
    "of",
    "on",
    "or",
    "order",
    "primary",
    "rename",
    "revoke",
    "schema",
    "select",
    "set",
    "table",
    "to",
    "token",
    "truncate",
    "unlogged",
    "update",
    "use",
    "using",
    "view",
    "where",
    "with",
];

/// How deep terms and types may nest, so that a text cannot overflow the stack.
const DEPTH_MAX: usize = 64;

/// A parser's position in its text.
pub(crate) struct Cursor {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// The names of the bind variables so far; `None` for `?`.
    pub(crate) markers: Vec<Option<String>>,
}

const END: &Token = &Token { kind: Kind::End, line: 0, column: 0 };

impl Cursor {
    pub(crate) fn new(text: &str) -> Result<Self, CqlError> {
        Ok(Self { tokens: lexer::tokens(text)?, at: 0, depth: 0, markers: Vec::new() })
    }

    pub(crate) fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    pub(crate) fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.at + ahead).unwrap_or(END)
    }

    pub(crate) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    /// The syntax error for the next token.
    pub(crate) fn refuse<T>(&self) -> Result<T, CqlError> {
        let token = self.peek();
        let at = match token.kind == Kind::End {
            true => "0:-1".to_owned(),
            false => format!("{}:{}", token.line, token.column),
        };
        let cited = token.cited();
        Err(CqlError::syntax(format!("line {at} no viable alternative at input '{cited}'")))
    }

    /// Runs `parse` one level deeper, or refuses when a text nests too deep.
    pub(crate) fn deeper<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, CqlError>,
    ) -> Result<T, CqlError> {
        if self.depth >= DEPTH_MAX {
            return self.refuse();
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    pub(crate) fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(&self.peek_at(ahead).kind, Kind::Word(text) if text.eq_ignore_ascii_case(word))
    }

    pub(crate) fn is_words(&self, words: &str) -> bool {
        words.split(' ').enumerate().all(|(ahead, word)| self.is_word_at(ahead, word))
    }

    /// Takes the words if they come next.
    pub(crate) fn take_words(&mut self, words: &str) -> bool {
        let found = self.is_words(words);
        if found {
            self.at += words.split(' ').count();
        }
        found
    }

    pub(crate) fn expect_words(&mut self, words: &str) -> Result<(), CqlError> {
        for word in words.split(' ') {
            if !self.take_words(word) {
                return self.refuse();
            }
        }
        Ok(())
    }

    pub(crate) fn is_symbol_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.peek_at(ahead).kind, Kind::Symbol(text) if text == symbol)
    }

    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        self.is_symbol_at(0, symbol)
    }

    pub(crate) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.at += 1;
        }
        found
    }

    pub(crate) fn expect_symbol(&mut self, symbol: &str) -> Result<(), CqlError> {
        if self.take_symbol(symbol) { Ok(()) } else { self.refuse() }
    }

    /// The name at `ahead`: bare names in lower case, quoted ones as they are.
    pub(crate) fn name_at(&self, ahead: usize) -> Option<String> {
        match &self.peek_at(ahead).kind {
            Kind::Quoted(text) => Some(text.clone()),
            Kind::Word(text) => {
                let lower = text.to_lowercase();
                (!RESERVED.contains(&lower.as_str())).then_some(lower)
            }
            Kind::Text(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Hex(_)
            | Kind::Uuid(_)
            | Kind::Duration(_)
            | Kind::Symbol(_)
            | Kind::End => None,
        }
    }

    pub(crate) fn expect_name(&mut self) -> Result<String, CqlError> {
        let Some(name) = self.name_at(0) else {
            return self.refuse();
        };
        self.at += 1;
        Ok(name)
    }

    /// `[keyspace.]name`.
    pub(crate) fn expect_qualified(&mut self) -> Result<Name, CqlError> {
        let first = self.expect_name()?;
        if self.take_symbol(".") {
            return Ok(Name { keyspace: Some(first), name: self.expect_name()? });
        }
        Ok(Name { keyspace: None, name: first })
    }

    /// `parse`d parts between commas.
    pub(crate) fn list<T>(
        &mut self,
        mut parse: impl FnMut(&mut Self) -> Result<T, CqlError>,
    ) -> Result<Vec<T>, CqlError> {
        let mut parts = vec![parse(self)?];
        while self.take_symbol(",") {
            parts.push(parse(self)?);
        }
        Ok(parts)
    }

    /// Takes a bind variable if it comes next, and returns its index; the same `:name` is the same variable.
    pub(crate) fn take_marker(&mut self) -> Result<Option<usize>, CqlError> {
        if self.take_symbol("?") {
            self.markers.push(None);
            return Ok(Some(self.markers.len() - 1));
        }
        if !self.take_symbol(":") {
            return Ok(None);
        }
        let name = match &self.peek().kind {
            Kind::Word(text) => text.to_lowercase(),
            Kind::Quoted(text) => text.clone(),
            Kind::Text(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Hex(_)
            | Kind::Uuid(_)
            | Kind::Duration(_)
            | Kind::Symbol(_)
            | Kind::End => return self.refuse(),
        };
        self.at += 1;
        let known = self.markers.iter().position(|marker| marker.as_deref() == Some(&name));
        Ok(Some(known.unwrap_or_else(|| {
            self.markers.push(Some(name));
            self.markers.len() - 1
        })))
    }
}
