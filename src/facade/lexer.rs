//! Words of a CQL text, as far as a statement must be understood to be answered here.
//!
//! Takes what ScyllaDB and Cassandra take, and a little more: a text that no server accepts may
//! come out as words all the same, for the server will refuse it.

use crate::facade::literal::uuid_at_front;

/// Bytes of a uuid in a text.
const UUID_LEN: usize = 36;

/// A word of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word<'a> {
    /// An unquoted name, a keyword, or a number with its unit, as written.
    Bare(&'a str),
    /// What stands between `"`, doubled ones not yet undone.
    Quoted(&'a str),
    /// What stands between `'` or `$$`, doubled ones not yet undone.
    Text(&'a str),
    /// Any other character.
    Sign(char),
}

impl Word<'_> {
    /// Whether this is a keyword, in any case.
    #[must_use]
    pub fn is(self, keyword: &str) -> bool {
        matches!(self, Self::Bare(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// The name that this stands for: unquoted names are lower case.
    #[must_use]
    pub fn name(self) -> Option<String> {
        match self {
            Self::Bare(word) if word.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                Some(word.to_ascii_lowercase())
            }
            Self::Quoted(inside) if !inside.is_empty() => Some(inside.replace("\"\"", "\"")),
            Self::Bare(_) | Self::Quoted(_) | Self::Text(_) | Self::Sign(_) => None,
        }
    }

    /// Whether this stands for `name`, which is lower case and holds no `"`.
    #[must_use]
    pub fn names(self, name: &str) -> bool {
        match self {
            Self::Bare(word) => word.eq_ignore_ascii_case(name),
            Self::Quoted(inside) => inside == name,
            Self::Text(_) | Self::Sign(_) => false,
        }
    }

    /// The text that a literal stands for.
    #[must_use]
    pub fn text(self) -> Option<String> {
        match self {
            Self::Text(inside) => Some(inside.replace("''", "'")),
            Self::Bare(_) | Self::Quoted(_) | Self::Sign(_) => None,
        }
    }
}

/// Cuts a text into words; white space and comments fall out.
#[derive(Clone, Copy, Debug)]
pub struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    /// Starts at the front of `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// The next word without taking it.
    #[must_use]
    pub fn peek(&self) -> Option<Word<'a>> {
        let mut ahead = *self;
        ahead.next()
    }

    /// Takes the next word when it is this keyword.
    pub fn take_keyword(&mut self, keyword: &str) -> bool {
        self.take_if(|word| word.is(keyword))
    }

    /// Takes the next word when it is this sign.
    pub fn take_sign(&mut self, sign: char) -> bool {
        self.take_if(|word| word == Word::Sign(sign))
    }

    /// Takes the next word when it is a name.
    pub fn take_name(&mut self) -> Option<String> {
        let mut ahead = *self;
        let name = ahead.next()?.name()?;
        *self = ahead;
        Some(name)
    }

    /// Takes a uuid, which is several words.
    pub fn take_uuid(&mut self) -> Option<[u8; 16]> {
        let mut ahead = *self;
        ahead.skip_blank();
        let uuid = uuid_at_front(ahead.rest)?;
        ahead.rest = ahead.rest.get(UUID_LEN..).unwrap_or_default();
        let is_over = !ahead.rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        is_over.then(|| *self = ahead)?;
        Some(uuid)
    }

    /// Bytes that are left.
    #[must_use]
    pub fn rest_len(&self) -> usize {
        self.rest.len()
    }

    /// Takes closing semicolons; whether nothing follows them.
    pub fn take_end(&mut self) -> bool {
        while self.take_sign(';') {}
        self.peek().is_none()
    }

    /// The text with each literal replaced by `?`, in one line, so that it shows no value.
    #[must_use]
    pub fn without_literals(text: &str) -> String {
        let mut words = Lexer::new(text);
        let mut shown = String::new();
        loop {
            let before = words.rest.len();
            words.skip_blank();
            let start = words.rest;
            let gap = if start.len() < before && !shown.is_empty() { " " } else { "" };
            let is_uuid = words.take_uuid().is_some();
            let word = if is_uuid { None } else { words.next() };
            if !is_uuid && word.is_none() {
                return shown;
            }
            shown.push_str(gap);
            let is_number = |word: &str| word.starts_with(|first: char| first.is_ascii_digit());
            match word {
                Some(Word::Bare(word)) if !is_number(word) => shown.push_str(word),
                Some(Word::Quoted(_) | Word::Sign(_)) => {
                    let len = start.len() - words.rest.len();
                    shown.push_str(start.get(..len).unwrap_or_default());
                }
                Some(Word::Bare(_) | Word::Text(_)) | None => shown.push('?'),
            }
        }
    }

    fn take_if(&mut self, is_wanted: impl FnOnce(Word<'a>) -> bool) -> bool {
        let mut ahead = *self;
        let taken = ahead.next().is_some_and(is_wanted);
        if taken {
            *self = ahead;
        }
        taken
    }

    fn skip_blank(&mut self) {
        // Nearly every gap is one space or none.
        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
        if self.rest.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return;
        }
        loop {
            let blank = |c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}';
            let rest = self.rest.trim_start_matches(blank);
            let after = if rest.starts_with("--") || rest.starts_with("//") {
                rest.find(['\n', '\r']).and_then(|end| rest.get(end + 1..))
            } else if let Some(inside) = rest.strip_prefix("/*") {
                inside.find("*/").and_then(|end| inside.get(end + 2..))
            } else {
                self.rest = rest;
                return;
            };
            self.rest = after.unwrap_or_default();
        }
    }

    /// Takes the front of the rest up to `len`.
    fn take(&mut self, len: usize) -> &'a str {
        let (front, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        front
    }

    /// Takes what stands up to the closing `mark`, where a doubled one does not close.
    fn take_quoted(&mut self, mark: u8) -> &'a str {
        let inside = self.rest.get(1..).unwrap_or_default();
        let bytes = inside.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if *byte == mark {
                if bytes.get(at + 1) != Some(&mark) {
                    break;
                }
                at += 1;
            }
            at += 1;
        }
        self.rest = inside.get(at + 1..).unwrap_or_default();
        inside.get(..at).unwrap_or(inside)
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        self.skip_blank();
        let first = self.rest.chars().next()?;
        Some(match first {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => {
                let inside = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                Word::Bare(self.take(self.rest.bytes().take_while(inside).count()))
            }
            '"' => Word::Quoted(self.take_quoted(b'"')),
            '\'' => Word::Text(self.take_quoted(b'\'')),
            '$' if self.rest.starts_with("$$") => {
                let inside = self.rest.get(2..).unwrap_or_default();
                let (text, rest) = inside.split_once("$$").unwrap_or((inside, ""));
                self.rest = rest;
                Word::Text(text)
            }
            sign => {
                self.take(sign.len_utf8());
                Word::Sign(sign)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<Word<'_>> {
        Lexer::new(text).collect()
    }

    #[test]
    fn comments_and_blanks_fall_out() {
        let text = "--c\n//c\r/* c -- */ \t\u{feff}USE/**/ks--c";
        assert_eq!(words(text), [Word::Bare("USE"), Word::Bare("ks")]);
        assert_eq!(words("/* never closed USE ks"), []);
    }

    #[test]
    fn quotes_hold_their_doubles() {
        assert_eq!(words("\"a\"\"b\"x")[0].name().unwrap(), "a\"b");
        assert_eq!(words("'it''s'")[0].text().unwrap(), "it's");
        assert_eq!(words("$$it's$$ x"), [Word::Text("it's"), Word::Bare("x")]);
        assert_eq!(words("'never closed"), [Word::Text("never closed")]);
        assert_eq!(words("\"\"")[0].name(), None);
    }

    #[test]
    fn a_text_is_shown_without_its_values() {
        for (text, shown) in [
            ("SELECT v FROM ks.t WHERE k=?", "SELECT v FROM ks.t WHERE k=?"),
            (
                "INSERT  INTO t (k, \"V\")\nVALUES ('it''s', -12.5);--secret",
                "INSERT INTO t (k, \"V\") VALUES (?, -?.?);",
            ),
            ("k = a7a60342-8245-4738-b4b8-2e7c168bd01b AND b=0xcafe", "k = ? AND b=?"),
            ("a = $$pw$$ AND t1 = :name /* 5 */ ", "a = ? AND t1 = :name"),
        ] {
            assert_eq!(Lexer::without_literals(text), shown);
        }
    }

    #[test]
    fn unquoted_names_are_lower_case() {
        assert_eq!(words("KeyS")[0].name().unwrap(), "keys");
        assert_eq!(words("\"KeyS\"")[0].name().unwrap(), "KeyS");
        assert_eq!(words("2000ms")[0].name(), None);
    }

    #[test]
    fn a_uuid_is_one_word_where_one_is_wanted() {
        let mut words = Lexer::new(" 7a60342e-8245-4738-b4b8-2e7c168bd01b,x");
        assert_eq!(words.take_uuid().map(|uuid| uuid[0]), Some(0x7a));
        assert_eq!(words.next(), Some(Word::Sign(',')));
        let mut longer = Lexer::new("7a60342e-8245-4738-b4b8-2e7c168bd01b7");
        assert_eq!((longer.take_uuid(), longer.next()), (None, Some(Word::Bare("7a60342e"))));
    }

    proptest! {
        #[test]
        fn every_text_comes_to_an_end(text in ".{0,60}") {
            prop_assert!(words(&text).len() <= text.len());
        }

        #[test]
        fn every_text_of_signs_comes_to_an_end(text in "[-/*'\"$;a\n ]{0,40}") {
            prop_assert!(words(&text).len() <= text.len());
        }
    }
}
