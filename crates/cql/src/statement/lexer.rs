//! Tokens of a text, as slices of it.
//!
//! What servers may read differently is [`Lexeme::Broken`]: a text that is not understood is sent to any node, while one
//! that is misunderstood goes to a wrong one. So this lexer is strict, and no part of the façade's, which takes more
//! than servers do, nor of the simulated cluster's, which is the judge of both.

use crate::statement::characters::{
    closing, duration_len, is_uuid, is_word_byte, iso_duration_len, starts_line,
};

/// How far into a text is read. What lies behind is not understood, so that a text of any length
/// costs a few hundred µs at most.
pub const READ_BYTES_MAX: usize = 256 << 10;

/// How many tokens are read, for the same reason: short ones take longer than their bytes.
pub const READ_TOKENS_MAX: u16 = 16_384;

/// How deep brackets may nest.
const GROUP_DEPTH_MAX: usize = 64;

/// One token; white space and comments are none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lexeme<'a> {
    /// An unquoted name or keyword.
    Word(&'a str),
    /// What stands between `"`, doubled ones not undone.
    Quoted(&'a str),
    /// What stands between `'`, doubled ones not undone.
    Text(&'a str),
    /// What stands between `$$`.
    Dollars(&'a str),
    /// Digits.
    Integer(&'a str),
    /// Digits with a point or an exponent.
    Float(&'a str),
    /// `0x` and hexadecimal digits, as written.
    Hex(&'a str),
    /// A uuid, as written.
    Uuid(&'a str),
    /// Numbers with units, such as `1h30m`, or `P` with a date and a time; a `-` before them is a
    /// sign of its own. The forms of ISO 8601 without a `-` inside, such as `P1D`, are words.
    Duration(&'a str),
    /// Any other character of ASCII.
    Sign(u8),
    /// No token of CQL: an open quote or comment, digits that run into letters, another character,
    /// or the bound of what is read. It is the last token: nothing can be said about what follows.
    Broken,
}

impl Lexeme<'_> {
    /// Whether this is a keyword, in any case; `keyword` is in capitals.
    #[must_use]
    pub fn is(self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// Cuts a text into tokens, and counts its positional markers. A copy is a place to come back to.
#[derive(Clone, Copy, Debug)]
pub struct Lexer<'a> {
    /// What is read of the text.
    text: &'a str,
    /// The text goes on behind what is read.
    is_cut: bool,
    /// Offset of what comes next.
    at: usize,
    /// How many `?` stand before `at`.
    markers: u16,
    /// How many more tokens are read.
    left: u16,
    /// A token was broken: it was the last.
    is_broken: bool,
    /// The next token, if it was looked at before.
    peeked: Option<Peeked<'a>>,
}

/// A token that was looked at, and where the lexer stands behind it.
#[derive(Clone, Copy, Debug)]
struct Peeked<'a> {
    token: Lexeme<'a>,
    at: usize,
    markers: u16,
    is_broken: bool,
}

impl<'a> Lexer<'a> {
    /// Starts at the front of `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let end = text.floor_char_boundary(READ_BYTES_MAX);
        Self {
            text: text.get(..end).unwrap_or_default(),
            is_cut: end < text.len(),
            at: 0,
            markers: 0,
            left: READ_TOKENS_MAX,
            is_broken: false,
            peeked: None,
        }
    }

    /// The offset of what comes next, before white space.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// The offset of the next token, behind white space and comments.
    #[must_use]
    pub fn start_of_next(&self) -> usize {
        let mut ahead = *self;
        ahead.skip_blank();
        ahead.at
    }

    /// How many `?` came so far.
    #[must_use]
    pub fn markers(&self) -> u16 {
        self.markers
    }

    /// The same place in a text that ends at offset `end`.
    #[must_use]
    pub fn until(self, end: usize) -> Self {
        match self.text.get(..end) {
            Some(text) => Self { text, is_cut: false, peeked: None, ..self },
            None => self,
        }
    }

    /// The text from offset `start` to where this stands.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a str {
        self.slice(start, self.at)
    }

    /// The next token without taking it; `None` at the end.
    #[must_use]
    pub fn peek(&mut self) -> Option<Lexeme<'a>> {
        if let Some(peeked) = &self.peeked {
            return Some(peeked.token);
        }
        let here = (self.at, self.markers, self.is_broken);
        let token = self.cut();
        let Self { at, markers, is_broken, .. } = *self;
        (self.at, self.markers, self.is_broken) = here;
        self.peeked = token.map(|token| Peeked { token, at, markers, is_broken });
        token
    }

    /// Takes the next token when it is this keyword, given in capitals.
    pub fn take_word(&mut self, keyword: &str) -> bool {
        self.take_if(|token| token.is(keyword))
    }

    /// Takes the next token when it is this sign.
    pub fn take_sign(&mut self, sign: u8) -> bool {
        self.take_if(|token| matches!(token, Lexeme::Sign(found) if found == sign))
    }

    /// Takes closing semicolons; whether nothing follows them.
    pub fn take_end(&mut self) -> bool {
        while self.take_sign(b';') {}
        self.peek().is_none()
    }

    /// Takes the rest of a group whose opening bracket `open` was taken; `false` when it does not end
    /// with a bracket of the same kind, or nests too deep.
    pub fn skip_group(&mut self, open: u8) -> bool {
        self.skip_nested(closing(open), GROUP_DEPTH_MAX)
    }

    fn skip_nested(&mut self, close: u8, depth: usize) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return false };
        while let Some(token) = self.next() {
            match token {
                Lexeme::Sign(open @ (b'(' | b'[' | b'{')) => {
                    if !self.skip_nested(closing(open), depth) {
                        return false;
                    }
                }
                Lexeme::Sign(sign @ (b')' | b']' | b'}')) => return sign == close,
                Lexeme::Broken => return false,
                Lexeme::Word(_)
                | Lexeme::Quoted(_)
                | Lexeme::Text(_)
                | Lexeme::Dollars(_)
                | Lexeme::Integer(_)
                | Lexeme::Float(_)
                | Lexeme::Hex(_)
                | Lexeme::Uuid(_)
                | Lexeme::Duration(_)
                | Lexeme::Sign(_) => {}
            }
        }
        false
    }

    fn take_if(&mut self, is_wanted: impl FnOnce(Lexeme<'a>) -> bool) -> bool {
        self.peek().is_some_and(is_wanted) && self.next().is_some()
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// The byte at an offset; 0, which is no part of any token, behind the end.
    #[inline]
    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    fn rest(&self, at: usize) -> &'a [u8] {
        self.text.as_bytes().get(at..).unwrap_or_default()
    }

    /// What is read from `at` on, where a character begins.
    fn ahead(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or_default()
    }

    /// Steps over white space and comments; `false` when a comment does not end.
    #[inline]
    fn skip_blank(&mut self) -> bool {
        loop {
            while matches!(self.byte(self.at), b' ' | b'\t' | b'\r' | b'\n') {
                self.at += 1;
            }
            if !matches!(self.byte(self.at), b'-' | b'/') {
                return true;
            }
            match self.comment_len() {
                Some(0) => return true,
                Some(len) => self.at += len,
                None => return false,
            }
        }
    }

    /// The length of the comment that begins here, 0 when none does; `None` when it does not end.
    fn comment_len(&self) -> Option<usize> {
        match (self.byte(self.at), self.byte(self.at + 1)) {
            (b'-', b'-') | (b'/', b'/') => {
                // A line comment that the text ends is none for ScyllaDB. Whether a carriage
                // return alone ends one is not certain.
                let rest = self.rest(self.at);
                let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
                rest.get(end..).is_some_and(starts_line).then_some(end)
            }
            (b'/', b'*') => self.ahead(self.at + 2).find("*/").map(|at| at + 4),
            _ => Some(0),
        }
    }

    /// Takes what stands up to the closing `mark`, where a doubled one does not close.
    fn take_quoted(&mut self, mark: u8) -> Option<&'a str> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            at += self.ahead(at).find(char::from(mark))?;
            if self.byte(at + 1) != mark {
                self.at = at + 1;
                return Some(self.slice(start, at));
            }
            at += 2;
        }
    }

    fn take_dollars(&mut self) -> Option<&'a str> {
        let start = self.at + 2;
        let len = self.ahead(start).find("$$")?;
        self.at = start + len + 2;
        Some(self.slice(start, start + len))
    }

    fn take(&mut self, len: usize) -> &'a str {
        let start = self.at;
        self.at += len;
        self.slice(start, self.at)
    }

    fn take_number(&mut self) -> Lexeme<'a> {
        let digits = |at: usize| {
            let mut end = at;
            while self.byte(end).is_ascii_digit() {
                end += 1;
            }
            end - at
        };
        let start = self.at;
        if self.byte(start) == b'0' && matches!(self.byte(start + 1), b'x' | b'X') {
            let hex = self.rest(start + 2).iter().take_while(|b| b.is_ascii_hexdigit()).count();
            return self.unless_joined(2 + hex, Lexeme::Hex);
        }
        let mut end = start + digits(start);
        let may_be_unit = self.byte(end).is_ascii_alphabetic() || !self.byte(end).is_ascii();
        if may_be_unit && let Some(len) = duration_len(self.rest(start), end - start) {
            return self.unless_joined(len, Lexeme::Duration);
        }
        let mut is_float = false;
        if self.byte(end) == b'.' {
            is_float = true;
            end += 1 + digits(end + 1);
        }
        if matches!(self.byte(end), b'e' | b'E') {
            let sign = usize::from(matches!(self.byte(end + 1), b'+' | b'-'));
            let exponent = digits(end + 1 + sign);
            if exponent > 0 {
                is_float = true;
                end += 1 + sign + exponent;
            }
        }
        self.unless_joined(end - start, if is_float { Lexeme::Float } else { Lexeme::Integer })
    }

    /// Takes `len` bytes, which no letter or digit may follow.
    fn unless_joined(&mut self, len: usize, token: fn(&'a str) -> Lexeme<'a>) -> Lexeme<'a> {
        if is_word_byte(self.byte(self.at + len)) {
            return self.break_off();
        }
        token(self.take(len))
    }

    /// Cuts the next token off.
    fn cut(&mut self) -> Option<Lexeme<'a>> {
        if self.is_broken {
            return None;
        }
        if !self.skip_blank() {
            return Some(self.break_off());
        }
        if self.at >= self.text.len() {
            return self.is_cut.then(|| self.break_off());
        }
        let Some(left) = self.left.checked_sub(1) else { return Some(self.break_off()) };
        self.left = left;
        if self.byte(self.at + 8) == b'-' && self.rest(self.at).get(..36).is_some_and(is_uuid) {
            return Some(self.unless_joined(36, Lexeme::Uuid));
        }
        let token = match self.byte(self.at) {
            b'P' if let Some(len) = iso_duration_len(self.rest(self.at)) => {
                Some(self.unless_joined(len, Lexeme::Duration))
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let len = self.rest(self.at).iter().take_while(|b| is_word_byte(**b)).count();
                Some(Lexeme::Word(self.take(len)))
            }
            b'0'..=b'9' => Some(self.take_number()),
            b'"' => self.take_quoted(b'"').map(Lexeme::Quoted),
            b'\'' => self.take_quoted(b'\'').map(Lexeme::Text),
            b'$' if self.byte(self.at + 1) == b'$' => self.take_dollars().map(Lexeme::Dollars),
            sign if sign.is_ascii_graphic() => {
                self.at += 1;
                self.markers = self.markers.saturating_add(u16::from(sign == b'?'));
                Some(Lexeme::Sign(sign))
            }
            _ => None,
        };
        Some(token.unwrap_or_else(|| self.break_off()))
    }

    fn break_off(&mut self) -> Lexeme<'a> {
        self.is_broken = true;
        Lexeme::Broken
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Lexeme<'a>;

    #[inline]
    fn next(&mut self) -> Option<Lexeme<'a>> {
        match self.peeked.take() {
            Some(Peeked { token, at, markers, is_broken }) => {
                (self.at, self.markers, self.is_broken) = (at, markers, is_broken);
                Some(token)
            }
            None => self.cut(),
        }
    }
}

#[cfg(test)]
mod tests;
