//! Words of a CQL text, as far as a statement must be understood to be answered here.
//!
//! Takes what ScyllaDB and Cassandra take, and a little more: a text that no server accepts may
//! come out as words all the same, for the server will refuse it. The lexer of [`cql::statement`] errs the other way:
//! what it is not sure of is not routed by its key. That is why these are two.

use std::ops::ControlFlow;

use crate::facade::text::front;
use crate::facade::text::literal::uuid_at_front;

/// How far into a text is read, from its first word on, so that one of any length costs a few ms at most.
pub const READ_BYTES_MAX: usize = 256 << 10;

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
    /// Any other character of ASCII.
    Sign(char),
    /// No word of CQL, and the last: an open quote or comment, or a character that stands in no text
    /// but between quotes. Every server refuses such a text.
    Broken,
    /// What lies behind the bound of what is read, and the last.
    Unread,
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
            Self::Bare(_)
            | Self::Quoted(_)
            | Self::Text(_)
            | Self::Sign(_)
            | Self::Broken
            | Self::Unread => None,
        }
    }

    /// Whether this stands for `name`, which is lower case and holds no `"`.
    #[must_use]
    pub fn names(self, name: &str) -> bool {
        match self {
            Self::Bare(word) => word.eq_ignore_ascii_case(name),
            Self::Quoted(inside) => inside == name,
            Self::Text(_) | Self::Sign(_) | Self::Broken | Self::Unread => false,
        }
    }

    /// The text that a literal stands for.
    #[must_use]
    pub fn text(self) -> Option<String> {
        match self {
            Self::Text(inside) => Some(inside.replace("''", "'")),
            Self::Bare(_) | Self::Quoted(_) | Self::Sign(_) | Self::Broken | Self::Unread => None,
        }
    }
}

/// Cuts a text into words; white space and comments fall out.
#[derive(Clone, Copy, Debug)]
pub struct WordLexer<'a> {
    rest: &'a str,
    /// The text goes on behind what is read.
    is_cut: bool,
}

impl<'a> WordLexer<'a> {
    /// Starts at the front of `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let is_long = text.len() > READ_BYTES_MAX;
        if is_long { Self::of_long(text) } else { Self { rest: text, is_cut: false } }
    }

    /// Starts at the first word of a long text: of what stands before it nothing is kept, so that the bound
    /// need not hold for it.
    #[cold]
    fn of_long(text: &'a str) -> Self {
        let text = text.get(front::blank_len(text)..).unwrap_or_default();
        let end = text.floor_char_boundary(READ_BYTES_MAX);
        Self { rest: text.get(..end).unwrap_or_default(), is_cut: end < text.len() }
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

    /// Whether every server refuses what is left, because it is cut into no words.
    #[must_use]
    pub fn is_broken(mut self) -> bool {
        self.any(|word| word == Word::Broken)
    }

    /// Whether the first word may be `keyword`, as far as it can be seen: it may lie behind what is read.
    #[must_use]
    pub fn may_begin_with(mut self, keyword: &str) -> bool {
        self.skip_blank();
        let is_word = self.rest.starts_with(|first: char| first.is_ascii_alphanumeric());
        !is_word || self.rest.len() <= keyword.len()
    }

    /// Whether nothing of the text lies behind what is read.
    #[must_use]
    pub fn is_read_whole(&self) -> bool {
        !self.is_cut
    }

    /// Bytes that are left to read.
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
        let mut words = WordLexer::new(text);
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
            let is_number = |word: &str| word.starts_with(|first: char| first.is_ascii_digit());
            if matches!(word, Some(Word::Broken | Word::Unread))
                && !start.starts_with(['\'', '"', '$'])
            {
                return shown;
            }
            shown.push_str(gap);
            match word {
                Some(Word::Bare(word)) if !is_number(word) => shown.push_str(word),
                Some(Word::Quoted(_) | Word::Sign(_)) => {
                    let len = start.len() - words.rest.len();
                    shown.push_str(start.get(..len).unwrap_or_default());
                }
                Some(Word::Bare(_) | Word::Text(_) | Word::Broken | Word::Unread) | None => {
                    shown.push('?');
                }
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

    /// Steps over white space and comments, to an open comment if there is one. A line comment that
    /// the text ends is taken for whole, as older servers do.
    fn skip_blank(&mut self) {
        // Nearly every gap is one space or none.
        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
        if self.rest.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return;
        }
        while let ControlFlow::Continue(()) = self.skip_one_blank() {}
    }

    fn skip_one_blank(&mut self) -> ControlFlow<()> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let bytes = self.rest.as_bytes();
        let inside = bytes.get(2..).unwrap_or_default();
        let len = if bytes.starts_with(b"--") || bytes.starts_with(b"//") {
            let end = inside.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            end.map_or(bytes.len(), |end| end + 3)
        } else if bytes.starts_with(b"/*")
            && let Some(end) = inside.windows(2).position(|two| two == b"*/")
        {
            end + 4
        } else {
            return ControlFlow::Break(());
        };
        self.rest = self.rest.get(len..).unwrap_or_default();
        ControlFlow::Continue(())
    }

    /// The last word: nothing can be said about what follows.
    fn break_off(&mut self) -> Word<'a> {
        self.rest = "";
        if std::mem::take(&mut self.is_cut) { Word::Unread } else { Word::Broken }
    }

    /// Takes the front of the rest up to `len`.
    fn take(&mut self, len: usize) -> &'a str {
        let (front, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        front
    }

    /// Takes what stands up to the closing `mark`, where a doubled one does not close; `None` when
    /// none closes.
    fn take_quoted(&mut self, mark: u8) -> Option<&'a str> {
        let inside = self.rest.get(1..).unwrap_or_default();
        let bytes = inside.as_bytes();
        let mut at = 0;
        loop {
            if *bytes.get(at)? == mark {
                if bytes.get(at + 1) != Some(&mark) {
                    break;
                }
                at += 1;
            }
            at += 1;
        }
        self.rest = inside.get(at + 1..)?;
        inside.get(..at)
    }

    fn take_dollars(&mut self) -> Option<&'a str> {
        let (text, rest) = self.rest.get(2..)?.split_once("$$")?;
        self.rest = rest;
        Some(text)
    }

    /// Takes a word that no bound cuts.
    fn take_word(&mut self, first: char) -> Option<Word<'a>> {
        Some(match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                let inside = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                Word::Bare(self.take(self.rest.bytes().take_while(inside).count()))
            }
            '0'..='9' => {
                // `\u{b5}s` is a unit of durations.
                let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '\u{b5}');
                let len = self.rest.find(|c: char| !inside(c)).unwrap_or(self.rest.len());
                Word::Bare(self.take(len))
            }
            '"' => Word::Quoted(self.take_quoted(b'"')?),
            '\'' => Word::Text(self.take_quoted(b'\'')?),
            '$' if self.rest.starts_with("$$") => Word::Text(self.take_dollars()?),
            '/' if self.rest.starts_with("/*") => return None,
            sign if sign.is_ascii_graphic() => {
                self.take(1);
                Word::Sign(sign)
            }
            _ => return None,
        })
    }
}

impl<'a> Iterator for WordLexer<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        self.skip_blank();
        let Some(first) = self.rest.chars().next() else {
            return self.is_cut.then(|| self.break_off());
        };
        let word = self.take_word(first);
        // What ends at the bound may go on behind it.
        let is_whole = !(self.is_cut && self.rest.is_empty());
        Some(word.filter(|_| is_whole).unwrap_or_else(|| self.break_off()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<Word<'_>> {
        WordLexer::new(text).collect()
    }

    #[test]
    fn comments_and_blanks_fall_out() {
        let text = "--c\n//c\r/* c -- */ \t\nUSE/**/ks--c";
        assert_eq!(words(text), [Word::Bare("USE"), Word::Bare("ks")]);
    }

    #[test]
    fn a_character_that_no_server_takes_ends_the_words() {
        for text in [
            "a /* open b",
            "a 'open b",
            "a \"open b",
            "a $$open b",
            "a \0b",
            "a \u{feff}b",
            "a\u{a0}b",
            "a\x0bb",
            "a\x0cb",
            "a \u{e9} b",
        ] {
            assert_eq!(words(text), [Word::Bare("a"), Word::Broken], "{text:?}");
        }
        assert_eq!(words("1\u{b5}s"), [Word::Bare("1\u{b5}s")]);
    }

    #[test]
    fn a_long_text_is_read_up_to_a_bound() {
        let bound = READ_BYTES_MAX;
        for text in [
            format!("a '{}' b", "x".repeat(bound)),
            format!("a{}b", " ".repeat(bound)),
            format!("a{}b", "/**/".repeat(bound)),
            format!("a --{}\nb", "x".repeat(bound)),
            format!("a {}", "b".repeat(bound)),
        ] {
            assert_eq!(words(&text), [Word::Bare("a"), Word::Unread], "{}", &text[..10]);
        }
        let fits = format!("'{}'", "x".repeat(bound - 2));
        assert!(matches!(words(&fits)[..], [Word::Text(_)]));
    }

    #[test]
    fn quotes_hold_their_doubles() {
        assert_eq!(words("\"a\"\"b\"x")[0].name().unwrap(), "a\"b");
        assert_eq!(words("'it''s'")[0].text().unwrap(), "it's");
        assert_eq!(words("$$it's$$ x"), [Word::Text("it's"), Word::Bare("x")]);
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
            ("k = 'cut in two", "k = ?"),
            ("k = 5 /* cut", "k = ?"),
            ("a = $$pw$$ AND t1 = :name /* 5 */ ", "a = ? AND t1 = :name"),
        ] {
            assert_eq!(WordLexer::without_literals(text), shown);
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
        let mut words = WordLexer::new(" 7a60342e-8245-4738-b4b8-2e7c168bd01b,x");
        assert_eq!(words.take_uuid().map(|uuid| uuid[0]), Some(0x7a));
        assert_eq!(words.next(), Some(Word::Sign(',')));
        let mut longer = WordLexer::new("7a60342e-8245-4738-b4b8-2e7c168bd01b7");
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
