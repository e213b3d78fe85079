//! BEGIN BATCH … APPLY BATCH: several statements in one text.

use crate::statement::lexer::{Lexeme, Lexer};
use crate::statement::statement::{NotUnderstood, TableStatement, verb_of};

/// How a batch is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BatchKind {
    /// All of it in the end, or nothing.
    Logged,
    /// UNLOGGED.
    Unlogged,
    /// COUNTER.
    Counter,
}

/// A batch by text, its statements unread.
#[derive(Clone, Copy, Debug)]
pub struct TextBatch<'a> {
    /// How it is run.
    pub kind: BatchKind,
    children: Lexer<'a>,
}

impl<'a> TextBatch<'a> {
    /// Reads the front of a batch; [`NotUnderstood::Verb`] when the text is none.
    pub fn read(text: &'a str) -> Result<Self, NotUnderstood> {
        let mut lexer = Lexer::new(text);
        if !lexer.take_word("BEGIN") {
            return Err(NotUnderstood::Verb);
        }
        let kind = if lexer.take_word("UNLOGGED") {
            BatchKind::Unlogged
        } else if lexer.take_word("COUNTER") {
            BatchKind::Counter
        } else {
            BatchKind::Logged
        };
        if !lexer.take_word("BATCH") {
            return Err(NotUnderstood::Text);
        }
        // USING TIMESTAMP, and TIMEOUT of ScyllaDB.
        while !lexer.peek().is_some_and(starts_child) {
            if matches!(lexer.next(), None | Some(Lexeme::Broken | Lexeme::Sign(b';'))) {
                return Err(NotUnderstood::Text);
            }
        }
        Ok(Self { kind, children: lexer })
    }

    /// The statements in order. What one is about is only certain when all that follow, up to
    /// APPLY BATCH, come without an error; it stops after the first.
    pub fn children(&self) -> impl Iterator<Item = Result<TableStatement<'a>, NotUnderstood>> {
        let mut lexer = self.children;
        let mut is_over = false;
        std::iter::from_fn(move || {
            if is_over {
                return None;
            }
            let child = next_child(&mut lexer).transpose()?;
            is_over = child.is_err();
            Some(child)
        })
    }
}

/// Takes a statement and the semicolon behind it; `None` at the end of the batch.
fn next_child<'a>(lexer: &mut Lexer<'a>) -> Result<Option<TableStatement<'a>>, NotUnderstood> {
    if lexer.take_word("APPLY") {
        let is_end = lexer.take_word("BATCH") && lexer.take_end();
        return is_end.then_some(None).ok_or(NotUnderstood::Text);
    }
    let start = *lexer;
    // A child ends before the verb of the next one: these words are reserved.
    lexer.next();
    let end = loop {
        let before = lexer.at();
        match lexer.peek() {
            None | Some(Lexeme::Broken) => return Err(NotUnderstood::Text),
            Some(Lexeme::Sign(b';')) => {
                lexer.next();
                break before;
            }
            Some(token) if starts_child(token) => break before,
            Some(_) => lexer.next(),
        };
    };
    TableStatement::take(start.until(end)).map(Some)
}

fn starts_child(token: Lexeme<'_>) -> bool {
    verb_of(token).is_some() || token.is("APPLY")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::partition::Partition;
    use crate::statement::term::Term;

    #[test]
    fn children_keep_the_numbers_of_their_markers() {
        let text = "BEGIN UNLOGGED BATCH USING TIMESTAMP ? \
                    INSERT INTO ks.t (v, k) VALUES (?, ?); \
                    UPDATE t SET v = ? WHERE k = ? \
                    DELETE FROM t WHERE k = 1; APPLY BATCH;";
        let batch = TextBatch::read(text).unwrap();
        let keys: Vec<_> = batch
            .children()
            .map(|child| {
                let target = child.unwrap().target(&["k"]).unwrap();
                let Partition::One(key) = target.partition else { panic!("{target:?}") };
                key.terms()[0]
            })
            .collect();
        assert_eq!(batch.kind, BatchKind::Unlogged);
        assert_eq!(keys[..2], [Term::Marker(2), Term::Marker(4)]);
        assert!(matches!(keys[2..], [Term::Literal(_)]));
    }

    #[test]
    fn a_batch_that_does_not_end_is_not_understood() {
        for text in [
            "BEGIN BATCH INSERT INTO t (k) VALUES (1)",
            "BEGIN BATCH INSERT INTO t (k) VALUES (1) APPLY",
            "BEGIN BATCH INSERT INTO t (k) VALUES (1) APPLY BATCH; SELECT",
            "BEGIN BATCH INSERT INTO t (k) VALUES ('1 APPLY BATCH",
        ] {
            let batch = TextBatch::read(text).unwrap();
            assert!(batch.children().any(|child| child.is_err()), "{text}");
        }
        assert_eq!(TextBatch::read("SELECT").unwrap_err(), NotUnderstood::Verb);
        assert_eq!(TextBatch::read("BEGIN BATCH ;").unwrap_err(), NotUnderstood::Text);
    }

    #[test]
    fn an_empty_batch_has_no_children() {
        let batch = TextBatch::read("begin counter batch apply batch").unwrap();
        assert_eq!((batch.kind, batch.children().count()), (BatchKind::Counter, 0));
    }
}
