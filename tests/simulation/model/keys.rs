//! Partition keys of every type: how texts write them, and which bytes they are.
//!
//! The simulated cluster's own parser reads each text anew, and counts at which shard it arrived; what
//! is here is a third opinion.

use std::borrow::Cow;

/// A table with a partition key of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyKind {
    /// The table, as texts name it; some in quotes.
    pub(crate) table: &'static str,
    /// The columns of the key with their types, in the order of the table's definition.
    pub(crate) columns: &'static [(&'static str, &'static str)],
    /// The columns of the key in the key's order.
    pub(crate) key: &'static [&'static str],
    /// Rows that the table has from the beginning.
    pub(crate) rows: &'static [KeyRow],
}

/// One row: ways to write the value of each column of the key, and its bytes.
type KeyRow = &'static [(&'static [&'static str], &'static [u8])];

const fn one(
    table: &'static str,
    columns: &'static [(&'static str, &'static str)],
    key: &'static [&'static str],
    rows: &'static [KeyRow],
) -> KeyKind {
    KeyKind { table, columns, key, rows }
}

/// The name of the table whose key's columns change their order.
pub(crate) const TURNED: usize = 0;

/// The tables.
pub(crate) const KEY_KINDS: [KeyKind; 20] = [
    one(
        "k_pair",
        &[("a", "int"), ("b", "int")],
        &["a", "b"],
        &[
            &[(&["1"], b"\0\0\0\x01"), (&["2"], b"\0\0\0\x02")],
            &[(&["-7"], b"\xff\xff\xff\xf9"), (&["70000"], b"\0\x01\x11\x70")],
        ],
    ),
    one(
        "k_mixed",
        &[("name", "text"), ("day", "date"), ("\"Nr\"", "smallint")],
        &["name", "day", "\"Nr\""],
        &[
            &[
                (&["'a''b'", "$$a'b$$"], b"a'b"),
                (&["'2024-02-29'", "2147503430"], b"\x80\0\x4d\x46"),
                (&["258"], b"\x01\x02"),
            ],
            &[(&["''''"], b"'"), (&["'1970-01-01'"], b"\x80\0\0\0"), (&["-1"], b"\xff\xff")],
        ],
    ),
    one("k_tiny", PK_TINY, PK, &[&[(&["7"], b"\x07")], &[(&["-128"], b"\x80")]]),
    one("k_small", PK_SMALL, PK, &[&[(&["258"], b"\x01\x02")], &[(&["-2"], b"\xff\xfe")]]),
    one(
        "k_int",
        PK_INT,
        PK,
        &[&[(&["7", "007"], b"\0\0\0\x07")], &[(&["-2"], b"\xff\xff\xff\xfe")]],
    ),
    one(
        "k_big",
        PK_BIG,
        PK,
        &[
            &[(&["7"], b"\0\0\0\0\0\0\0\x07")],
            &[(&["-9223372036854775808"], b"\x80\0\0\0\0\0\0\0")],
        ],
    ),
    one(
        "k_varint",
        PK_VARINT,
        PK,
        &[
            &[(&["128"], b"\0\x80")],
            &[(&["-129"], b"\xff\x7f")],
            &[(&["18446744073709551616"], b"\x01\0\0\0\0\0\0\0\0")],
        ],
    ),
    one(
        "k_decimal",
        PK_DECIMAL,
        PK,
        &[&[(&["1.50"], b"\0\0\0\x02\0\x96")], &[(&["-2", "-2.", "-2e0"], b"\0\0\0\0\xfe")]],
    ),
    one(
        "k_float",
        PK_FLOAT,
        PK,
        &[&[(&["1.5", "15e-1"], b"\x3f\xc0\0\0")], &[(&["-2", "-2.0"], b"\xc0\0\0\0")]],
    ),
    one(
        "k_double",
        PK_DOUBLE,
        PK,
        &[
            &[(&["1.5", "0.15e1"], b"\x3f\xf8\0\0\0\0\0\0")],
            &[(&["-2", "-2.0"], b"\xc0\0\0\0\0\0\0\0")],
        ],
    ),
    one(
        "k_boolean",
        PK_BOOLEAN,
        PK,
        &[&[(&["true", "TRUE"], b"\x01")], &[(&["false", "False"], b"\0")]],
    ),
    one(
        "\"K Text\"",
        &[("\"P\"\"k\"", "text")],
        &["\"P\"\"k\""],
        &[
            &[(&["'it''s'", "$$it's$$"], b"it's")],
            &[(&["'?'"], b"?")],
            &[(&["'a;--b'"], b"a;--b")],
            &[(&["'\u{e9}'"], b"\xc3\xa9")],
        ],
    ),
    one("k_ascii", PK_ASCII, PK, &[&[(&["'x''''y'"], b"x''y")], &[(&["'7'"], b"7")]]),
    one(
        "k_blob",
        PK_BLOB,
        PK,
        &[&[(&["0xCAFE", "0xcafe", "0XcaFE"], b"\xca\xfe")], &[(&["0x00"], b"\0")]],
    ),
    one(
        "k_uuid",
        PK_UUID,
        PK,
        &[&[(
            &["6b4c3b9a-0d7f-4f43-9f0e-3f1f2c8b1a55", "6B4C3B9A-0D7F-4F43-9F0E-3F1F2C8B1A55"],
            b"\x6b\x4c\x3b\x9a\x0d\x7f\x4f\x43\x9f\x0e\x3f\x1f\x2c\x8b\x1a\x55",
        )]],
    ),
    one(
        "k_timeuuid",
        PK_TIMEUUID,
        PK,
        &[&[(
            &["50554d6e-29bb-11e5-b345-feff819cdc9f"],
            b"\x50\x55\x4d\x6e\x29\xbb\x11\xe5\xb3\x45\xfe\xff\x81\x9c\xdc\x9f",
        )]],
    ),
    one(
        "k_inet",
        PK_INET,
        PK,
        &[
            &[(&["'10.1.2.3'"], b"\x0a\x01\x02\x03")],
            &[(&["'::1'", "'0:0:0:0:0:0:0:1'"], b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01")],
        ],
    ),
    one(
        "k_time",
        PK_TIME,
        PK,
        &[
            &[(&["'00:00:01'", "'00:00:01.000'"], b"\0\0\0\0\x3b\x9a\xca\0")],
            &[(&["'00:00:00.000000007'"], b"\0\0\0\0\0\0\0\x07")],
        ],
    ),
    one(
        "k_timestamp",
        PK_TIMESTAMP,
        PK,
        &[
            &[(
                &["1000", "'1970-01-01T00:00:01Z'", "'1970-01-01 01:00:01+0100'"],
                b"\0\0\0\0\0\0\x03\xe8",
            )],
            &[(&["-1"], b"\xff\xff\xff\xff\xff\xff\xff\xff")],
        ],
    ),
    one(
        "k_list",
        PK_LIST,
        PK,
        &[
            &[(&["[1, 2]", "[ 1,2 ]"], b"\0\0\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x04\0\0\0\x02")],
            &[(&["[3]"], b"\0\0\0\x01\0\0\0\x04\0\0\0\x03")],
        ],
    ),
];

const PK: &[&str] = &["pk"];
const PK_TINY: &[(&str, &str)] = &[("pk", "tinyint")];
const PK_SMALL: &[(&str, &str)] = &[("pk", "smallint")];
const PK_INT: &[(&str, &str)] = &[("pk", "int")];
const PK_BIG: &[(&str, &str)] = &[("pk", "bigint")];
const PK_VARINT: &[(&str, &str)] = &[("pk", "varint")];
const PK_DECIMAL: &[(&str, &str)] = &[("pk", "decimal")];
const PK_FLOAT: &[(&str, &str)] = &[("pk", "float")];
const PK_DOUBLE: &[(&str, &str)] = &[("pk", "double")];
const PK_BOOLEAN: &[(&str, &str)] = &[("pk", "boolean")];
const PK_ASCII: &[(&str, &str)] = &[("pk", "ascii")];
const PK_BLOB: &[(&str, &str)] = &[("pk", "blob")];
const PK_UUID: &[(&str, &str)] = &[("pk", "uuid")];
const PK_TIMEUUID: &[(&str, &str)] = &[("pk", "timeuuid")];
const PK_INET: &[(&str, &str)] = &[("pk", "inet")];
const PK_TIME: &[(&str, &str)] = &[("pk", "time")];
const PK_TIMESTAMP: &[(&str, &str)] = &[("pk", "timestamp")];
const PK_LIST: &[(&str, &str)] = &[("pk", "frozen<list<int>>")];

/// A table by number; another one when there are not so many.
pub(crate) fn key_kind(number: usize) -> &'static KeyKind {
    let [first, ..] = &KEY_KINDS;
    KEY_KINDS.get(number).unwrap_or(first)
}

impl KeyKind {
    /// The name as the schema has it.
    pub(crate) fn table_name(&self) -> &'static str {
        self.table.trim_matches('"')
    }

    /// How many rows there are.
    pub(crate) fn row_count(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap_or(1)
    }

    /// CREATE TABLE, in `keyspace`; the columns of the key from last to first if it is `turned`.
    pub(crate) fn definition(&self, keyspace: &str, turned: bool) -> String {
        let columns: String =
            self.columns.iter().map(|(name, kind)| format!("{name} {kind}, ")).collect();
        let mut key = self.key.to_vec();
        if turned {
            key.reverse();
        }
        let table = self.table;
        format!(
            "CREATE TABLE {keyspace}.{table} ({columns}v bigint, PRIMARY KEY (({})))",
            key.join(", ")
        )
    }

    /// INSERT of a row with all values bound.
    pub(crate) fn insert(&self, keyspace: &str) -> String {
        let marks = "?, ".repeat(self.columns.len());
        let names: String = self.columns.iter().map(|(name, _)| format!("{name}, ")).collect();
        format!("INSERT INTO {keyspace}.{} ({names}v) VALUES ({marks}?)", self.table)
    }

    /// The bytes of a row's key, a part for each column.
    pub(crate) fn cells(&self, row: u64) -> Vec<&'static [u8]> {
        self.row(row).iter().map(|(_, bytes)| *bytes).collect()
    }

    /// Relations that fix a row's key by constants; `draw` chooses how each is written.
    pub(crate) fn relations(&self, row: u64, draw: &mut dyn FnMut(usize) -> usize) -> Vec<String> {
        let mut relations = Vec::new();
        for ((name, _), (ways, _)) in self.columns.iter().zip(self.row(row)) {
            let way = ways.get(draw(ways.len())).copied().unwrap_or_default();
            let name = spelled(name, draw(3));
            let is_list = draw(4) == 0;
            relations.push(match is_list {
                true => format!("{name} IN ({way})"),
                false => format!("{name} = {way}"),
            });
        }
        relations
    }

    /// One way to write the only column of a row's key.
    pub(crate) fn literal(&self, row: u64, draw: &mut dyn FnMut(usize) -> usize) -> &'static str {
        let ways = self.row(row).first().map_or(&[][..], |(ways, _)| ways);
        ways.get(draw(ways.len())).copied().unwrap_or_default()
    }

    fn row(&self, row: u64) -> KeyRow {
        let at = usize::try_from(row).unwrap_or(0) % self.rows.len().max(1);
        self.rows.get(at).copied().unwrap_or_default()
    }
}

/// A name in one of three ways: as it is, in upper case, in quotes. One in quotes stays as it is.
pub(crate) fn spelled(name: &str, way: usize) -> Cow<'_, str> {
    match way {
        _ if name.starts_with('"') => name.into(),
        0 => name.to_uppercase().into(),
        1 => format!("\"{name}\"").into(),
        _ => name.into(),
    }
}
