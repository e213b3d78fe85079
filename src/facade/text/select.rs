//! A SELECT from a table that is answered here, parsed.
//!
//! Only what drivers and people ask of these tables is understood. Anything else (functions,
//! GROUP BY, ORDER BY) goes to a node where nodes have the table, which also words the errors,
//! unless its answer could name a node.

use crate::facade::tables::table_name::VirtualTableName;
use crate::facade::text::lexer::{Word, WordLexer};
use crate::facade::text::literal::LocalLiteral;

/// Bytes of a text that is looked at, at most. What drivers and people send is a hundredth of it.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Selectors, and values to compare with, that one statement may have. Their number bounds what an
/// answer costs; the tables have a tenth as many columns.
const ITEMS_MAX: usize = 1024;

/// What a SELECT wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Select {
    /// Of which table.
    pub table: VirtualTableName,
    /// Whether each partition is shown once.
    pub is_distinct: bool,
    /// Whether each row comes as one JSON text.
    pub is_json: bool,
    /// Which columns; empty: all (`*`).
    pub selectors: Vec<Selector>,
    /// Which rows: those that every relation holds for.
    pub relations: Vec<Relation>,
    /// Bind markers in the order of the text, those of one name once.
    pub markers: Vec<Marker>,
    /// How many rows at most.
    pub limit: Option<Limit>,
    /// Whether a number of rows of each partition is given, too.
    pub limits_partitions: bool,
    /// Whether rows may be looked for by columns that are no key.
    pub allows_filtering: bool,
}

/// How many rows a client wants at most.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limit {
    /// So many; 0 is refused when the statement is run.
    Rows(u32),
    /// As a bound value says, by its place in `markers`.
    Marker(usize),
}

/// One item of a selection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selector {
    /// What to show.
    pub source: SelectorSource,
    /// Its name in the result, when the text gives one.
    pub alias: Option<String>,
}

/// What a selector shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SelectorSource {
    /// A column.
    Column(String),
    /// `toJson(column)`.
    ToJson(String),
    /// `count(*)`: rows.
    Count,
    /// `count(column)`: rows in which the column is not null.
    CountOf(String),
}

/// `column = term` or `column IN terms`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Relation {
    /// Name of the column.
    pub column: String,
    /// What it may equal.
    pub terms: Vec<Comparand>,
}

/// What a column is compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Comparand {
    /// A literal.
    Literal(LocalLiteral),
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
    pub purpose: MarkerUse,
}

/// What a marker stands for, which gives its type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MarkerUse {
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
    pub fn parse(
        table: VirtualTableName,
        selection: WordLexer<'_>,
        tail: WordLexer<'_>,
    ) -> Option<Self> {
        if selection.rest_len() > TEXT_BYTES_MAX {
            return None;
        }
        let mut select = Self {
            table,
            is_distinct: false,
            is_json: false,
            selectors: Vec::new(),
            relations: Vec::new(),
            markers: Vec::new(),
            limit: None,
            limits_partitions: false,
            allows_filtering: false,
        };
        select.parse_selection(selection)?;
        select.parse_tail(tail)?;
        let terms: usize = select.relations.iter().map(|relation| relation.terms.len()).sum();
        (select.selectors.len() <= ITEMS_MAX && terms <= ITEMS_MAX).then_some(select)
    }

    /// Bytes that it takes in memory, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        let of_selector = |selector: &Selector| {
            let source = match &selector.source {
                SelectorSource::Column(name)
                | SelectorSource::ToJson(name)
                | SelectorSource::CountOf(name) => name.len(),
                SelectorSource::Count => 0,
            };
            size_of::<Selector>() + source + selector.alias.as_ref().map_or(0, String::len)
        };
        let of_relation = |relation: &Relation| {
            let of_term = |term: &Comparand| match term {
                Comparand::Literal(literal) => size_of::<Comparand>() + literal.heap_bytes(),
                Comparand::Marker(_) | Comparand::ListMarker(_) => size_of::<Comparand>(),
            };
            let terms: usize = relation.terms.iter().map(of_term).sum();
            size_of::<Relation>() + relation.column.len() + terms
        };
        let of_marker = |marker: &Marker| size_of::<Marker>() + 2 * marker.name.len();
        let selectors: usize = self.selectors.iter().map(of_selector).sum();
        let relations: usize = self.relations.iter().map(of_relation).sum();
        let markers: usize = self.markers.iter().map(of_marker).sum();
        size_of::<Self>() + selectors + relations + markers
    }

    fn parse_selection(&mut self, mut words: WordLexer<'_>) -> Option<()> {
        self.is_json = take_modifier(&mut words, "JSON");
        self.is_distinct = take_modifier(&mut words, "DISTINCT");
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

    fn parse_tail(&mut self, mut words: WordLexer<'_>) -> Option<()> {
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
                self.limits_partitions = true;
            } else if word.is("LIMIT") {
                self.limit = Some(self.parse_limit(&mut words)?);
            } else if word.is("ALLOW") {
                words.take_keyword("FILTERING").then_some(())?;
                self.allows_filtering = true;
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

    fn parse_relation(&mut self, words: &mut WordLexer<'_>) -> Option<()> {
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

    fn parse_list(&mut self, words: &mut WordLexer<'_>, column: &str) -> Option<Vec<Comparand>> {
        if !words.take_sign('(') {
            let purpose = MarkerUse::ListOf(column.to_owned());
            let place = self.parse_marker(words, &format!("in({column})"), purpose)?;
            return Some(vec![Comparand::ListMarker(place)]);
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

    fn parse_term(&mut self, words: &mut WordLexer<'_>, column: &str) -> Option<Comparand> {
        if let Some(uuid) = words.take_uuid() {
            return Some(Comparand::Literal(LocalLiteral::Uuid(uuid)));
        }
        let literal = match words.peek()? {
            Word::Sign('?' | ':') => {
                let purpose = MarkerUse::Column(column.to_owned());
                return self.parse_marker(words, column, purpose).map(Comparand::Marker);
            }
            word @ Word::Text(_) => LocalLiteral::Text(word.text()?),
            Word::Sign('-') => {
                words.next();
                LocalLiteral::Integer(format!("-{}", digits(words.peek()?)?))
            }
            Word::Broken | Word::Unread => return None,
            word @ (Word::Bare(_) | Word::Quoted(_) | Word::Sign(_)) => {
                if let Some(bytes) = blob(word) {
                    LocalLiteral::Blob(bytes)
                } else if word.is("true") || word.is("false") {
                    LocalLiteral::Boolean(word.is("true"))
                } else if word.is("null") {
                    LocalLiteral::Null
                } else {
                    LocalLiteral::Integer(digits(word)?.to_owned())
                }
            }
        };
        words.next();
        // A call, or a number that is not whole: not understood.
        let is_whole = !matches!(words.peek(), Some(Word::Sign('(' | '-' | '.')));
        is_whole.then_some(Comparand::Literal(literal))
    }

    /// Takes `?` or `:name`; its place among the markers.
    fn parse_marker(
        &mut self,
        words: &mut WordLexer<'_>,
        default_name: &str,
        purpose: MarkerUse,
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

    fn parse_limit(&mut self, words: &mut WordLexer<'_>) -> Option<Limit> {
        if let Some(Word::Bare(number)) = words.peek() {
            words.next();
            return number.parse().ok().map(Limit::Rows);
        }
        self.parse_marker(words, "[limit]", MarkerUse::Limit).map(Limit::Marker)
    }

    fn parse_timeout(&mut self, words: &mut WordLexer<'_>) -> Option<()> {
        if let Some(Word::Bare(duration)) = words.peek() {
            words.next();
            let unit = duration.trim_start_matches(|c: char| c.is_ascii_digit());
            let is_duration = unit.len() < duration.len() && !unit.is_empty();
            return is_duration.then_some(());
        }
        self.parse_marker(words, "[timeout]", MarkerUse::Timeout).map(|_| ())
    }
}

/// Columns by which a node may be found or distinguished.
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
pub(in crate::facade) fn shows_nodes(mut selection: WordLexer<'_>) -> bool {
    if is_all(selection) {
        return true;
    }
    // Beside other words `*` selects nothing: as `a, *` no server takes it, as `a * b` it multiplies.
    let column = |word: Word<'_>| word.name().is_some_and(|name| OF_NODES.contains(&name.as_str()));
    selection.by_ref().take_while(|word| !word.is("FROM")).any(column)
}

/// Whether a selection is `*` alone.
fn is_all(mut words: WordLexer<'_>) -> bool {
    take_modifier(&mut words, "JSON");
    take_modifier(&mut words, "DISTINCT");
    words.take_sign('*') && words.take_keyword("FROM")
}

/// The digits of a whole number, if the word is one.
fn digits(word: Word<'_>) -> Option<&str> {
    match word {
        Word::Bare(word) => word.bytes().all(|byte| byte.is_ascii_digit()).then_some(word),
        Word::Quoted(_) | Word::Text(_) | Word::Sign(_) | Word::Broken | Word::Unread => None,
    }
}

/// The bytes of `0x` and pairs of hexadecimal digits, if the word is that.
fn blob(word: Word<'_>) -> Option<Vec<u8>> {
    let Word::Bare(word) = word else { return None };
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"))?;
    hex::decode(digits).ok()
}

/// Takes a modifier of the selection, unless the word is the name of a column or a function.
fn take_modifier(words: &mut WordLexer<'_>, keyword: &str) -> bool {
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

fn parse_source(words: &mut WordLexer<'_>) -> Option<SelectorSource> {
    let name = words.take_name()?;
    if !words.take_sign('(') {
        // `system.toJson(…)`, fields of types and the like stop here.
        let is_whole = !matches!(words.peek(), Some(Word::Sign('.' | '[')));
        return is_whole.then_some(SelectorSource::Column(name));
    }
    let source = match name.as_str() {
        "count" if words.take_sign('*') || words.take_keyword("1") => SelectorSource::Count,
        "count" => SelectorSource::CountOf(words.take_name()?),
        "tojson" => SelectorSource::ToJson(words.take_name()?),
        _ => return None,
    };
    words.take_sign(')').then_some(source)
}
