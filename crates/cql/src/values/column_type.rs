//! Types of columns and bind markers (v4 section 4.2.5.2).

use crate::error::WireError;
use crate::notation::{Reader, put_short, put_string};

/// How deep types may nest; a server's own limit is far below.
const DEPTH_MAX: usize = 32;

/// A type option.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum ColumnType {
    /// A class name of Cassandra's; ScyllaDB describes vectors so.
    Custom(String),
    Ascii,
    Bigint,
    Blob,
    Boolean,
    Counter,
    Decimal,
    Double,
    Float,
    Int,
    Timestamp,
    Uuid,
    Varchar,
    Varint,
    Timeuuid,
    Inet,
    Date,
    Time,
    Smallint,
    Tinyint,
    /// From v5, yet ScyllaDB sends it on v4 as well.
    Duration,
    List(Box<Self>),
    Map(Box<Self>, Box<Self>),
    Set(Box<Self>),
    Udt {
        keyspace: String,
        name: String,
        fields: Vec<(String, Self)>,
    },
    Tuple(Vec<Self>),
}

impl ColumnType {
    /// Reads a type option; one that nests too deep is refused, so that no input exhausts the stack.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Self::read_nested(reader, DEPTH_MAX)
    }

    /// `set<text>`, the type of `tokens` in system tables.
    #[must_use]
    pub fn set_of_text() -> Self {
        Self::Set(Box::new(Self::Varchar))
    }

    /// Finds a type without parameters by its name in CQL, as `system_schema` writes it.
    #[must_use]
    pub fn from_simple_name(name: &str) -> Option<Self> {
        Some(match name {
            "ascii" => Self::Ascii,
            "bigint" => Self::Bigint,
            "blob" => Self::Blob,
            "boolean" => Self::Boolean,
            "counter" => Self::Counter,
            "date" => Self::Date,
            "decimal" => Self::Decimal,
            "double" => Self::Double,
            "duration" => Self::Duration,
            "float" => Self::Float,
            "inet" => Self::Inet,
            "int" => Self::Int,
            "smallint" => Self::Smallint,
            "text" | "varchar" => Self::Varchar,
            "time" => Self::Time,
            "timestamp" => Self::Timestamp,
            "timeuuid" => Self::Timeuuid,
            "tinyint" => Self::Tinyint,
            "uuid" => Self::Uuid,
            "varint" => Self::Varint,
            _ => return None,
        })
    }

    /// The name in CQL of a type without parameters; `None` for one that has any, and for counters.
    #[must_use]
    pub fn simple_name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Ascii => "ascii",
            Self::Bigint => "bigint",
            Self::Blob => "blob",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Decimal => "decimal",
            Self::Double => "double",
            Self::Duration => "duration",
            Self::Float => "float",
            Self::Inet => "inet",
            Self::Int => "int",
            Self::Smallint => "smallint",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timeuuid => "timeuuid",
            Self::Tinyint => "tinyint",
            Self::Uuid => "uuid",
            Self::Varchar => "text",
            Self::Varint => "varint",
            Self::Counter
            | Self::Custom(_)
            | Self::List(_)
            | Self::Map(..)
            | Self::Set(_)
            | Self::Tuple(_)
            | Self::Udt { .. } => return None,
        })
    }

    /// Finds a type by its name in CQL, as `system_schema` writes it; `frozen` makes no difference.
    /// `None` for a user-defined type, of which the name alone says nothing, and for vectors.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::from_name_with(name, &mut |_| None)
    }

    /// The same, where `find` knows user-defined types by their names, in quotes where the schema writes any.
    pub fn from_name_with(name: &str, find: &mut dyn FnMut(&str) -> Option<Self>) -> Option<Self> {
        Self::from_nested_name(name, find, DEPTH_MAX)
    }

    fn from_nested_name(
        name: &str,
        find: &mut dyn FnMut(&str) -> Option<Self>,
        depth: usize,
    ) -> Option<Self> {
        let (name, depth) = (name.trim(), depth.checked_sub(1)?);
        let Some((outer, inner)) = name.strip_suffix('>').and_then(|name| name.split_once('<'))
        else {
            return Self::from_simple_name(name).or_else(|| find(name));
        };
        let parts = split_top(inner).map(|part| Self::from_nested_name(part, find, depth));
        let mut parts = parts.collect::<Option<Vec<_>>>()?.into_iter();
        Some(match (outer.trim(), parts.next()?, parts.next(), parts.next()) {
            ("frozen", kind, None, None) => kind,
            ("list", element, None, None) => Self::List(Box::new(element)),
            ("set", element, None, None) => Self::Set(Box::new(element)),
            ("map", key, Some(value), None) => Self::Map(Box::new(key), Box::new(value)),
            ("tuple", first, second, third) => {
                let first = [Some(first), second, third].into_iter().flatten();
                Self::Tuple(first.chain(parts).collect())
            }
            _ => return None,
        })
    }

    /// Estimates the heap that it takes, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let nested = |kind: &Self| size_of::<Self>() + kind.weight();
        match self {
            Self::Custom(name) => name.len(),
            Self::List(element) | Self::Set(element) => nested(element),
            Self::Map(key, value) => nested(key) + nested(value),
            Self::Tuple(parts) => parts.iter().map(nested).sum(),
            Self::Udt { keyspace, name, fields } => {
                let field =
                    |(name, kind): &(String, Self)| size_of::<String>() + name.len() + nested(kind);
                keyspace.len() + name.len() + fields.iter().map(field).sum::<usize>()
            }
            Self::Ascii
            | Self::Bigint
            | Self::Blob
            | Self::Boolean
            | Self::Counter
            | Self::Date
            | Self::Decimal
            | Self::Double
            | Self::Duration
            | Self::Float
            | Self::Inet
            | Self::Int
            | Self::Smallint
            | Self::Time
            | Self::Timestamp
            | Self::Timeuuid
            | Self::Tinyint
            | Self::Uuid
            | Self::Varchar
            | Self::Varint => 0,
        }
    }

    fn read_nested(reader: &mut Reader<'_>, depth: usize) -> Result<Self, WireError> {
        let option = reader.short()?;
        let Some(depth) = depth.checked_sub(1) else { return Err(WireError::TypeOption(option)) };
        let nested = |reader: &mut Reader<'_>| Self::read_nested(reader, depth).map(Box::new);
        Ok(match option {
            0x00 => Self::Custom(reader.string()?.to_owned()),
            0x01 => Self::Ascii,
            0x02 => Self::Bigint,
            0x03 => Self::Blob,
            0x04 => Self::Boolean,
            0x05 => Self::Counter,
            0x06 => Self::Decimal,
            0x07 => Self::Double,
            0x08 => Self::Float,
            0x09 => Self::Int,
            0x0b => Self::Timestamp,
            0x0c => Self::Uuid,
            // 0x0a is `text` of old protocols.
            0x0a | 0x0d => Self::Varchar,
            0x0e => Self::Varint,
            0x0f => Self::Timeuuid,
            0x10 => Self::Inet,
            0x11 => Self::Date,
            0x12 => Self::Time,
            0x13 => Self::Smallint,
            0x14 => Self::Tinyint,
            0x15 => Self::Duration,
            0x20 => Self::List(nested(reader)?),
            0x21 => Self::Map(nested(reader)?, nested(reader)?),
            0x22 => Self::Set(nested(reader)?),
            0x30 => {
                let (keyspace, name) = (reader.string()?.to_owned(), reader.string()?.to_owned());
                let mut fields = Vec::new();
                for _ in 0..reader.short()? {
                    let field = reader.string()?.to_owned();
                    fields.push((field, Self::read_nested(reader, depth)?));
                }
                Self::Udt { keyspace, name, fields }
            }
            0x31 => {
                let mut parts = Vec::new();
                for _ in 0..reader.short()? {
                    parts.push(Self::read_nested(reader, depth)?);
                }
                Self::Tuple(parts)
            }
            option => return Err(WireError::TypeOption(option)),
        })
    }

    /// The number of the option.
    #[must_use]
    pub fn option(&self) -> u16 {
        match self {
            Self::Custom(_) => 0x00,
            Self::Ascii => 0x01,
            Self::Bigint => 0x02,
            Self::Blob => 0x03,
            Self::Boolean => 0x04,
            Self::Counter => 0x05,
            Self::Decimal => 0x06,
            Self::Double => 0x07,
            Self::Float => 0x08,
            Self::Int => 0x09,
            Self::Timestamp => 0x0b,
            Self::Uuid => 0x0c,
            Self::Varchar => 0x0d,
            Self::Varint => 0x0e,
            Self::Timeuuid => 0x0f,
            Self::Inet => 0x10,
            Self::Date => 0x11,
            Self::Time => 0x12,
            Self::Smallint => 0x13,
            Self::Tinyint => 0x14,
            Self::Duration => 0x15,
            Self::List(_) => 0x20,
            Self::Map(..) => 0x21,
            Self::Set(_) => 0x22,
            Self::Udt { .. } => 0x30,
            Self::Tuple(_) => 0x31,
        }
    }

    /// Appends the type option.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_short(out, self.option());
        match self {
            Self::Custom(class) => put_string(out, class),
            Self::List(element) | Self::Set(element) => element.put(out),
            Self::Map(key, value) => {
                key.put(out);
                value.put(out);
            }
            Self::Udt { keyspace, name, fields } => {
                put_string(out, keyspace);
                put_string(out, name);
                put_short(out, u16::try_from(fields.len()).unwrap_or(u16::MAX));
                for (field, kind) in fields.iter().take(usize::from(u16::MAX)) {
                    put_string(out, field);
                    kind.put(out);
                }
            }
            Self::Tuple(parts) => {
                put_short(out, u16::try_from(parts.len()).unwrap_or(u16::MAX));
                parts.iter().take(usize::from(u16::MAX)).for_each(|part| part.put(out));
            }
            Self::Ascii
            | Self::Bigint
            | Self::Blob
            | Self::Boolean
            | Self::Counter
            | Self::Decimal
            | Self::Double
            | Self::Float
            | Self::Int
            | Self::Timestamp
            | Self::Uuid
            | Self::Varchar
            | Self::Varint
            | Self::Timeuuid
            | Self::Inet
            | Self::Date
            | Self::Time
            | Self::Smallint
            | Self::Tinyint
            | Self::Duration => {}
        }
    }
}

/// Splits the parameters of a type's name at the commas that stand in no further brackets.
fn split_top(inner: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    inner.split(move |letter| {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    })
}

/// Walks past a type option without keeping it, refused as [`ColumnType::read`] refuses.
pub(crate) fn skip(reader: &mut Reader<'_>) -> Result<(), WireError> {
    skip_nested(reader, DEPTH_MAX)
}

fn skip_nested(reader: &mut Reader<'_>, depth: usize) -> Result<(), WireError> {
    let option = reader.short()?;
    let Some(depth) = depth.checked_sub(1) else { return Err(WireError::TypeOption(option)) };
    match option {
        0x00 => {
            reader.string()?;
        }
        0x01..=0x15 => {}
        0x20 | 0x22 => skip_nested(reader, depth)?,
        0x21 => {
            skip_nested(reader, depth)?;
            skip_nested(reader, depth)?;
        }
        0x30 => {
            reader.string()?;
            reader.string()?;
            for _ in 0..reader.short()? {
                reader.string()?;
                skip_nested(reader, depth)?;
            }
        }
        0x31 => {
            for _ in 0..reader.short()? {
                skip_nested(reader, depth)?;
            }
        }
        option => return Err(WireError::TypeOption(option)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_schema_are_read() {
        use ColumnType::{Int, List, Map, Set, Tuple, Varchar};
        let list = List(Box::new(Int));
        let map = Map(Box::new(Varchar), Box::new(list.clone()));
        let tuple = Tuple(vec![Int, map.clone(), Varchar, Set(Box::new(Int))]);
        for (name, kind) in [
            ("int", Int),
            ("text", Varchar),
            ("frozen<list<int>>", list),
            ("map<text, frozen<list<int>>>", map),
            ("frozen<tuple<int,map<text,list<int>>, text, frozen<set<int>>>>", tuple),
        ] {
            assert_eq!(ColumnType::from_name(name), Some(kind), "{name}");
        }
    }

    #[test]
    fn user_defined_types_are_found_wherever_they_stand() {
        let mut find = |name: &str| match name {
            "address" | "\"Address\"" => Some(ColumnType::Blob),
            _ => None,
        };
        let mut found = |name| ColumnType::from_name_with(name, &mut find);
        assert_eq!(found("frozen<address>"), Some(ColumnType::Blob));
        let list = ColumnType::List(Box::new(ColumnType::Blob));
        assert_eq!(found("frozen<list<frozen<\"Address\">>>"), Some(list));
        assert_eq!((found("int"), found("frozen<other>")), (Some(ColumnType::Int), None));
    }

    #[test]
    fn a_name_that_is_no_type_of_the_language_is_not_guessed() {
        let deep = format!("{}int{}", "list<".repeat(200), ">".repeat(200));
        for name in [
            "address",
            "frozen<address>",
            "list<address>",
            "vector<float, 3>",
            "map<int>",
            "list<>",
            "list<int, int>",
            "list<int",
            "'org.apache.cassandra.db.marshal.Int32Type'",
            "",
            &deep,
        ] {
            assert_eq!(ColumnType::from_name(name), None, "{name}");
        }
    }
}
