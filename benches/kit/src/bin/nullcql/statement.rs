//! What one CQL text asks of the fake node.

use crate::cells::Ty;
use crate::cells::put_type;
use crate::lexer::Tok;
use crate::lexer::lex;
use shardlane_bench_kit::cql::kind::ROWS;
use shardlane_bench_kit::cql::put_i32;
use shardlane_bench_kit::cql::put_string;
use shardlane_bench_kit::murmur3;

/// Where the partition key of a request stands.
#[derive(Clone, Debug)]
pub enum Src {
    /// In the bound value of this number.
    Bind(usize),
    Literal(i64),
}

/// A condition of a WHERE clause that is understood.
#[derive(Clone, Debug)]
pub enum Cond {
    Eq(String, Vec<String>),
    EqBind(String, usize),
    InBind(String, usize),
}

/// A selected column, or one of the two functions known.
#[derive(Clone, Debug)]
pub enum Sel {
    /// Column, and its name in the result.
    Col(String, String),
    Count(String),
    Now(String),
}

/// A column of ks.t.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Pk,
    /// A value of the size that the command line says.
    V,
    /// A value of 64 KB.
    Big,
}

impl Column {
    const ALL: [Self; 3] = [Self::Pk, Self::V, Self::Big];

    fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|column| column.name() == name).unwrap_or(Self::V)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pk => "pk",
            Self::V => "v",
            Self::Big => "big",
        }
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Read a system table; `sel` is `None` for `*`.
    System {
        ks: String,
        table: String,
        sel: Option<Vec<Sel>>,
        conds: Vec<Cond>,
    },
    /// Read ks.t.
    Read {
        cols: Vec<Column>,
        pk: Option<Src>,
    },
    /// Write ks.t; `v` is the number of the bound value.
    Write {
        pk: Option<Src>,
        v: Option<usize>,
    },
    Use(String),
    /// Say yes and do nothing.
    Void,
    /// Refuse, with this text.
    Invalid(String),
}

/// A statement, parsed once.
pub struct Statement {
    pub id: [u8; 16],
    pub kind: Kind,
    /// Bind markers in order: names and types.
    pub binds: Vec<(String, Ty)>,
    pub pk_indexes: Vec<u16>,
    /// Body of a Rows answer up to the row: with metadata, and without.
    pub rows_prefix: [Vec<u8>; 2],
}

impl Statement {
    /// Parses `cql` as it means in `keyspace`.
    pub fn parse(cql: &str, keyspace: Option<&str>) -> Self {
        let mut reader = Reader::new(cql, keyspace);
        let kind = reader.kind();
        let mut rows_prefix = [vec![], vec![]];
        if let Kind::Read { cols, .. } = &kind {
            for (prefix, skip) in rows_prefix.iter_mut().zip([false, true]) {
                put_i32(prefix, ROWS);
                put_user_metadata(prefix, cols, skip);
                put_i32(prefix, 1);
            }
        }
        let id = statement_id(&format!("{}\0{cql}", keyspace.unwrap_or("")));
        Self { id, kind, binds: reader.binds, pk_indexes: reader.pk_indexes, rows_prefix }
    }
}

/// Depends on the text alone, so that all nodes give the same id, as real ones do.
fn statement_id(text: &str) -> [u8; 16] {
    let mut id = [0u8; 16];
    id[..8].copy_from_slice(&murmur3::token(text.as_bytes()).to_be_bytes());
    id[8..].copy_from_slice(&murmur3::token(format!("{text}#").as_bytes()).to_be_bytes());
    id
}

/// Result metadata of columns of ks.t.
pub fn put_user_metadata(o: &mut Vec<u8>, cols: &[Column], skip: bool) {
    put_i32(o, if skip { 4 } else { 1 });
    put_i32(o, cols.len() as i32);
    if skip {
        return;
    }
    put_string(o, "ks");
    put_string(o, "t");
    for column in cols {
        put_string(o, column.name());
        put_type(o, if *column == Column::Pk { Ty::Bigint } else { Ty::Blob });
    }
}

struct Reader<'a> {
    toks: Vec<Tok>,
    keyspace: Option<&'a str>,
    binds: Vec<(String, Ty)>,
    pk_indexes: Vec<u16>,
}

impl<'a> Reader<'a> {
    fn new(cql: &str, keyspace: Option<&'a str>) -> Self {
        let toks = lex(cql);
        let count = toks.iter().filter(|t| **t == Tok::Bind).count();
        let binds = vec![("arg".to_string(), Ty::Varchar); count];
        Self { toks, keyspace, binds, pk_indexes: vec![] }
    }

    fn word(&self, i: usize) -> &str {
        match self.toks.get(i) {
            Some(Tok::Id(s)) => s,
            _ => "",
        }
    }

    fn kind(&mut self) -> Kind {
        match self.word(0) {
            "select" => self.select(),
            "insert" => self.insert(),
            "update" => self.change(0),
            "delete" => self.change(self.find_from()),
            "use" => Kind::Use(self.word(1).to_string()),
            "create" | "alter" | "drop" | "truncate" | "grant" | "begin" => Kind::Void,
            word => Kind::Invalid(format!("line 1:0 no viable alternative at input '{word}'")),
        }
    }

    /// The place of FROM, or the end.
    fn find_from(&self) -> usize {
        (1..self.toks.len()).find(|i| self.word(*i) == "from").unwrap_or(self.toks.len())
    }

    /// Keyspace and table named at `i`, and what comes next.
    fn table_at(&self, i: usize) -> (String, String, usize) {
        if self.toks.get(i + 1) == Some(&Tok::Sym('.')) {
            return (self.word(i).to_string(), self.word(i + 2).to_string(), i + 3);
        }
        (self.keyspace.unwrap_or("").to_string(), self.word(i).to_string(), i + 1)
    }

    fn select(&mut self) -> Kind {
        let from = self.find_from();
        let (ks, table, next) = self.table_at(from + 1);
        let conds = self.conds_from(next);
        let (star, sel) = match self.selectors(from) {
            Ok(sel) => sel,
            Err(text) => return Kind::Invalid(text),
        };
        if (ks.as_str(), table.as_str()) != ("ks", "t") {
            return Kind::System { ks, table, sel: if star { None } else { Some(sel) }, conds };
        }
        let pk = named(&conds, "pk").and_then(source);
        self.mark(&pk, None);
        let mut cols = if star { Column::ALL.to_vec() } else { vec![] };
        cols.extend(sel.iter().filter_map(|s| match s {
            Sel::Col(name, _) => Some(Column::named(name)),
            Sel::Count(_) | Sel::Now(_) => None,
        }));
        Kind::Read { cols, pk }
    }

    /// Whether `*` is selected, and what else is.
    fn selectors(&self, from: usize) -> Result<(bool, Vec<Sel>), String> {
        let first = if matches!(self.word(1), "distinct" | "json") { 2 } else { 1 };
        let mut sel = vec![];
        let mut star = false;
        for s in self.toks[first.min(from)..from].split(|t| *t == Tok::Sym(',')) {
            let alias = s.iter().position(|t| *t == Tok::Id("as".into())).and_then(|i| {
                match s.get(i + 1) {
                    Some(Tok::Id(alias)) => Some(alias.clone()),
                    _ => None,
                }
            });
            let name = |default: &str| alias.clone().unwrap_or_else(|| default.into());
            match s {
                [Tok::Sym('*'), ..] => star = true,
                [Tok::Id(f), Tok::Sym('('), ..] if f == "count" => sel.push(Sel::Count(name(f))),
                [Tok::Id(f), Tok::Sym('('), ..] if f == "now" => {
                    sel.push(Sel::Now(name("system.now()")));
                }
                [Tok::Id(c), rest @ ..] if rest.first() != Some(&Tok::Sym('(')) => {
                    sel.push(Sel::Col(c.clone(), name(c)));
                }
                other => return Err(format!("selector not supported: {other:?}")),
            }
        }
        Ok((star, sel))
    }

    /// `name = value` and `name IN values` from `start` on.
    fn conds_from(&self, start: usize) -> Vec<Cond> {
        let toks = &self.toks;
        let before = &toks[..start.min(toks.len())];
        let mut bind = before.iter().filter(|t| **t == Tok::Bind).count();
        let mut conds = vec![];
        for j in start..toks.len() {
            match (&toks[j], toks.get(j + 1), toks.get(j + 2)) {
                (Tok::Id(name), Some(Tok::Sym('=')), Some(Tok::Bind)) => {
                    conds.push(Cond::EqBind(name.clone(), bind));
                }
                (
                    Tok::Id(name),
                    Some(Tok::Sym('=')),
                    Some(Tok::Str(s) | Tok::Num(s) | Tok::Id(s)),
                ) => conds.push(Cond::Eq(name.clone(), vec![s.clone()])),
                (Tok::Id(name), Some(Tok::Id(word)), Some(Tok::Bind)) if word == "in" => {
                    conds.push(Cond::InBind(name.clone(), bind));
                }
                (Tok::Id(name), Some(Tok::Id(word)), Some(_)) if word == "in" => {
                    let values = literals(&self.group(j + 2).0);
                    if !values.is_empty() {
                        conds.push(Cond::Eq(name.clone(), values));
                    }
                }
                (Tok::Bind, _, _) => bind += 1,
                _ => {}
            }
        }
        conds
    }

    /// What the next brackets from `i` on hold, without commas, and where they end.
    fn group(&self, i: usize) -> (Vec<Tok>, usize) {
        let rest = self.toks.get(i..).unwrap_or(&[]);
        let open = rest.iter().position(|t| *t == Tok::Sym('(')).map_or(rest.len(), |p| p + 1);
        let inner = rest[open..].iter().take_while(|t| **t != Tok::Sym(')'));
        let inner: Vec<&Tok> = inner.collect();
        let end = i + open + inner.len();
        (inner.into_iter().filter(|t| **t != Tok::Sym(',')).cloned().collect(), end)
    }

    fn insert(&mut self) -> Kind {
        let (ks, table, next) = self.table_at(2);
        if (ks.as_str(), table.as_str()) != ("ks", "t") {
            return Kind::Invalid(format!("unconfigured table {table}"));
        }
        let (names, end) = self.group(next);
        let (values, _) = self.group(end);
        let (mut pk, mut v, mut bind) = (None, None, 0);
        for (name, value) in names.iter().zip(&values) {
            let is_bind = *value == Tok::Bind;
            if *name == Tok::Id("pk".into()) {
                pk = match value {
                    Tok::Bind => Some(Src::Bind(bind)),
                    Tok::Num(s) => s.parse().ok().map(Src::Literal),
                    _ => None,
                };
            } else if *name == Tok::Id("v".into()) && is_bind {
                v = Some(bind);
            }
            bind += usize::from(is_bind);
        }
        self.mark(&pk, v);
        Kind::Write { pk, v }
    }

    /// UPDATE or DELETE, whose table is named after `at`.
    fn change(&mut self, at: usize) -> Kind {
        let (ks, table, next) = self.table_at(at + 1);
        if (ks.as_str(), table.as_str()) != ("ks", "t") {
            return Kind::Invalid(format!("unconfigured table {table}"));
        }
        let conds = self.conds_from(next);
        let pk = named(&conds, "pk").and_then(source);
        let v = match named(&conds, "v") {
            Some(Cond::EqBind(_, i)) => Some(*i),
            _ => None,
        };
        self.mark(&pk, v);
        Kind::Write { pk, v }
    }

    /// Names and types the bind markers of pk and v.
    fn mark(&mut self, pk: &Option<Src>, v: Option<usize>) {
        if let Some(Src::Bind(i)) = pk
            && let Some(bind) = self.binds.get_mut(*i)
        {
            *bind = ("pk".into(), Ty::Bigint);
            self.pk_indexes.push(*i as u16);
        }
        if let Some(bind) = v.and_then(|i| self.binds.get_mut(i)) {
            *bind = ("v".into(), Ty::Blob);
        }
    }
}

fn literals(toks: &[Tok]) -> Vec<String> {
    let text = |t: &Tok| match t {
        Tok::Str(s) | Tok::Num(s) => Some(s.clone()),
        Tok::Id(_) | Tok::Bind | Tok::Sym(_) => None,
    };
    toks.iter().filter_map(text).collect()
}

fn named<'c>(conds: &'c [Cond], name: &str) -> Option<&'c Cond> {
    conds.iter().find(|c| match c {
        Cond::Eq(n, _) | Cond::EqBind(n, _) | Cond::InBind(n, _) => n == name,
    })
}

fn source(cond: &Cond) -> Option<Src> {
    match cond {
        Cond::EqBind(_, i) | Cond::InBind(_, i) => Some(Src::Bind(*i)),
        Cond::Eq(_, values) => values.first()?.parse().ok().map(Src::Literal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_of_the_table_knows_its_key() {
        let s = Statement::parse("SELECT v FROM ks.t WHERE pk = ?", None);
        let Kind::Read { cols, pk: Some(Src::Bind(0)) } = &s.kind else { panic!("{:?}", s.kind) };
        assert_eq!(cols, &[Column::V]);
        assert_eq!(s.pk_indexes, [0]);
    }

    #[test]
    fn writes_know_their_key_and_value() {
        let s = Statement::parse("INSERT INTO ks.t (v, pk) VALUES (?, ?)", None);
        assert!(matches!(s.kind, Kind::Write { pk: Some(Src::Bind(1)), v: Some(0) }));
        let s = Statement::parse("UPDATE t SET v = ? WHERE pk = ?", Some("ks"));
        assert!(matches!(s.kind, Kind::Write { pk: Some(Src::Bind(1)), v: Some(0) }));
        let s = Statement::parse("DELETE FROM ks.t WHERE pk = 5", None);
        assert!(matches!(s.kind, Kind::Write { pk: Some(Src::Literal(5)), v: None }));
    }

    #[test]
    fn reads_of_system_tables_keep_selectors_and_conditions() {
        let s = Statement::parse("select rack, tokens from system.local where key='local'", None);
        let Kind::System { ks, table, sel: Some(sel), conds } = &s.kind else { panic!() };
        assert_eq!((ks.as_str(), table.as_str()), ("system", "local"));
        assert_eq!((sel.len(), conds.len()), (2, 1));
        let s = "SELECT * FROM system_schema.tables WHERE keyspace_name IN ('a','ks')";
        let s = Statement::parse(s, None);
        let Kind::System { sel: None, conds, .. } = &s.kind else { panic!() };
        assert!(matches!(&conds[0], Cond::Eq(_, v) if v.len() == 2));
    }
}
