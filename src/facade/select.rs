//! A SELECT from a table that the session answers: `system.local`, `system.peers`, `peers_v2`.
//!
//! Only what drivers and people ask of these tables is understood. Anything else (functions,
//! GROUP BY, filters by other columns) goes to a node, which also words the errors, unless its
//! answer could name a node.

use crate::facade::lexer::{Lexer, Word};

/// A table that the session answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SystemTable {
    /// `system.local`: the node that the driver is connected to.
    Local,
    /// `system.peers`: all others, of which there are none.
    Peers,
    /// `system.peers_v2`: the same since Cassandra 4; ScyllaDB has no such table.
    PeersV2,
}

impl SystemTable {
    /// Its name in the keyspace `system`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Peers => "peers",
            Self::PeersV2 => "peers_v2",
        }
    }

    /// Finds a table by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Local, Self::Peers, Self::PeersV2].into_iter().find(|table| table.name() == name)
    }
}

/// What a SELECT wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Select {
    /// Of which table.
    pub table: SystemTable,
    /// Whether each row comes as one JSON text.
    pub is_json: bool,
    /// Which columns; empty: all (`*`).
    pub selectors: Vec<Selector>,
    /// Which rows: those that every relation holds for.
    pub relations: Vec<Relation>,
    /// Bind markers in the order of the text, those of one name once.
    pub markers: Vec<Marker>,
}

/// One item of a selection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selector {
    /// What to show.
    pub source: Source,
    /// Its name in the result, when the text gives one.
    pub alias: Option<String>,
}

/// What a selector shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// A column.
    Column(String),
    /// `toJson(column)`.
    ToJson(String),
    /// `count(*)`.
    Count,
}

/// `column = term` or `column IN terms`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Relation {
    /// Name of the column.
    pub column: String,
    /// What it may equal.
    pub terms: Vec<Term>,
}

/// What a column is compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Term {
    /// A text literal.
    Text(String),
    /// A literal that is not a text.
    Other,
    /// A bound value, by its place in `markers`.
    Marker(usize),
    /// A bound list, by its place in `markers`.
    ListMarker(usize),
}

/// A bind marker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Marker {
    /// The name that a driver may bind it by.
    pub name: String,
    /// What it stands for.
    pub purpose: Purpose,
}

/// What a marker stands for, which gives its type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// A value of a column.
    Column(String),
    /// A list of values of a column.
    ListOf(String),
    /// Rows at most.
    Limit,
    /// How long the node may take.
    Timeout,
}

impl Select {
    /// Parses what stands after SELECT (`selection`) and after the table's name (`tail`); `None`
    /// when it is not understood.
    #[must_use]
    pub fn parse(table: SystemTable, selection: Lexer<'_>, tail: Lexer<'_>) -> Option<Self> {
        let mut select = Self {
            table,
            is_json: false,
            selectors: Vec::new(),
            relations: Vec::new(),
            markers: Vec::new(),
        };
        select.parse_selection(selection)?;
        select.parse_tail(tail)?;
        let by_key = |relation: &Relation| relation.column == "key";
        let is_known = table != SystemTable::Local || select.relations.iter().all(by_key);
        is_known.then_some(select)
    }

    fn parse_selection(&mut self, mut words: Lexer<'_>) -> Option<()> {
        self.is_json = take_modifier(&mut words, "JSON");
        take_modifier(&mut words, "DISTINCT");
        if words.take_sign('*') {
            return words.take_keyword("FROM").then_some(());
        }
        loop {
            let source = parse_source(&mut words)?;
            let alias = if words.take_keyword("AS") { Some(words.take_name()?) } else { None };
            self.selectors.push(Selector { source, alias });
            if words.take_keyword("FROM") {
                return Some(());
            }
            if !words.take_sign(',') {
                return None;
            }
        }
    }

    fn parse_tail(&mut self, mut words: Lexer<'_>) -> Option<()> {
        if words.take_keyword("WHERE") {
            self.parse_relation(&mut words)?;
            while words.take_keyword("AND") {
                self.parse_relation(&mut words)?;
            }
        }
        while !words.take_end() {
            let word = words.next()?;
            if word.is("PER") {
                let is_limit = words.take_keyword("PARTITION") && words.take_keyword("LIMIT");
                is_limit.then(|| self.parse_limit(&mut words))??;
            } else if word.is("LIMIT") {
                self.parse_limit(&mut words)?;
            } else if word.is("ALLOW") {
                words.take_keyword("FILTERING").then_some(())?;
            } else if word.is("BYPASS") {
                words.take_keyword("CACHE").then_some(())?;
            } else if word.is("USING") {
                words.take_keyword("TIMEOUT").then_some(())?;
                self.parse_timeout(&mut words)?;
            } else {
                return None;
            }
        }
        Some(())
    }

    fn parse_relation(&mut self, words: &mut Lexer<'_>) -> Option<()> {
        let column = words.take_name()?;
        let terms = if words.take_sign('=') {
            vec![self.parse_term(words, &column)?]
        } else if words.take_keyword("IN") {
            self.parse_list(words, &column)?
        } else {
            return None;
        };
        self.relations.push(Relation { column, terms });
        Some(())
    }

    fn parse_list(&mut self, words: &mut Lexer<'_>, column: &str) -> Option<Vec<Term>> {
        if !words.take_sign('(') {
            let purpose = Purpose::ListOf(column.to_owned());
            let place = self.parse_marker(words, &format!("in({column})"), purpose)?;
            return Some(vec![Term::ListMarker(place)]);
        }
        let mut terms = Vec::new();
        if words.take_sign(')') {
            return Some(terms);
        }
        loop {
            terms.push(self.parse_term(words, column)?);
            if words.take_sign(')') {
                return Some(terms);
            }
            words.take_sign(',').then_some(())?;
        }
    }

    fn parse_term(&mut self, words: &mut Lexer<'_>, column: &str) -> Option<Term> {
        match words.peek()? {
            literal @ Word::Text(_) => {
                words.next();
                literal.text().map(Term::Text)
            }
            Word::Bare(_) => {
                words.next();
                // A call, or the first part of a uuid: not understood.
                let is_whole = !matches!(words.peek(), Some(Word::Sign('(' | '-' | '.')));
                is_whole.then_some(Term::Other)
            }
            Word::Sign('?' | ':') => {
                let purpose = Purpose::Column(column.to_owned());
                self.parse_marker(words, column, purpose).map(Term::Marker)
            }
            Word::Quoted(_) | Word::Sign(_) => None,
        }
    }

    /// Takes `?` or `:name`; its place among the markers.
    fn parse_marker(
        &mut self,
        words: &mut Lexer<'_>,
        default_name: &str,
        purpose: Purpose,
    ) -> Option<usize> {
        if words.take_sign('?') {
            self.markers.push(Marker { name: default_name.to_owned(), purpose });
            return Some(self.markers.len() - 1);
        }
        words.take_sign(':').then_some(())?;
        let name = words.take_name()?;
        let known = self.markers.iter().position(|marker| marker.name == name);
        Some(known.unwrap_or_else(|| {
            self.markers.push(Marker { name, purpose });
            self.markers.len() - 1
        }))
    }

    fn parse_limit(&mut self, words: &mut Lexer<'_>) -> Option<()> {
        if let Some(Word::Bare(number)) = words.peek() {
            words.next();
            // A node refuses 0; with one row at most, any other limit changes nothing.
            return number.parse::<u32>().is_ok_and(|limit| limit > 0).then_some(());
        }
        self.parse_marker(words, "[limit]", Purpose::Limit).map(|_| ())
    }

    fn parse_timeout(&mut self, words: &mut Lexer<'_>) -> Option<()> {
        if let Some(Word::Bare(duration)) = words.peek() {
            words.next();
            let unit = duration.trim_start_matches(|c: char| c.is_ascii_digit());
            let is_duration = unit.len() < duration.len() && !unit.is_empty();
            return is_duration.then_some(());
        }
        self.parse_marker(words, "[timeout]", Purpose::Timeout).map(|_| ())
    }
}

/// Columns by which a node may be found or told apart.
const OF_NODES: [&str; 14] = [
    "broadcast_address",
    "broadcast_port",
    "host_id",
    "listen_address",
    "listen_port",
    "native_address",
    "native_port",
    "peer",
    "peer_port",
    "preferred_ip",
    "preferred_port",
    "rpc_address",
    "rpc_port",
    "tokens",
];

/// Whether a selection, up to its FROM, has anything by which a node may be found.
pub(in crate::facade) fn shows_nodes(mut selection: Lexer<'_>) -> bool {
    let mut before = None;
    while let Some(word) = selection.next().filter(|word| !word.is("FROM")) {
        let all = word == Word::Sign('*') && before != Some(Word::Sign('('));
        let column = word.name().is_some_and(|name| OF_NODES.contains(&name.as_str()));
        if all || column {
            return true;
        }
        before = Some(word);
    }
    false
}

/// Takes a modifier of the selection, unless the word is the name of a column or a function.
fn take_modifier(words: &mut Lexer<'_>, keyword: &str) -> bool {
    let mut ahead = *words;
    let is_name = |word: Word<'_>| {
        matches!(word, Word::Sign(',' | '(' | '.')) || word.is("AS") || word.is("FROM")
    };
    let taken = ahead.take_keyword(keyword) && !ahead.peek().is_some_and(is_name);
    if taken {
        *words = ahead;
    }
    taken
}

fn parse_source(words: &mut Lexer<'_>) -> Option<Source> {
    let name = words.take_name()?;
    if !words.take_sign('(') {
        // `system.toJson(…)`, fields of types and the like stop here.
        let is_whole = !matches!(words.peek(), Some(Word::Sign('.' | '[')));
        return is_whole.then_some(Source::Column(name));
    }
    let source = match name.as_str() {
        "count" => {
            let is_all = words.take_sign('*') || words.next() == Some(Word::Bare("1"));
            is_all.then_some(Source::Count)?
        }
        "tojson" => Source::ToJson(words.take_name()?),
        _ => return None,
    };
    words.take_sign(')').then_some(source)
}
