//! The options in WITH, of keyspaces and tables.

use std::collections::BTreeMap;

use crate::cql::ast::Properties;
use crate::cql::ast::Term;
use crate::cql::error::CqlError;
use crate::store::definitions::schema::Keyspace;
use crate::store::definitions::schema::Property;

/// Table options with text values, and their defaults.
const TEXTS: &[(&str, Option<&str>)] = &[
    ("bloom_filter_fp_chance", Some("0.01")),
    ("comment", Some("")),
    ("crc_check_chance", Some("1")),
    ("dclocal_read_repair_chance", None),
    ("default_time_to_live", Some("0")),
    ("gc_grace_seconds", Some("864000")),
    ("id", None),
    ("in_memory", None),
    ("max_index_interval", Some("2048")),
    ("memtable_flush_period_in_ms", Some("0")),
    ("min_index_interval", Some("128")),
    ("paxos_grace_seconds", None),
    ("read_repair_chance", None),
    ("speculative_retry", Some("99.0PERCENTILE")),
    ("storage_engine", None),
    ("synchronous_updates", None),
];

/// Table options with map values.
const MAPS: &[&str] = &[
    "caching",
    "cdc",
    "compaction",
    "compression",
    "per_partition_rate_limit",
    "scylla_encryption_options",
    "tablets",
    "tombstone_gc",
];

const LOCATOR: &str = "org.apache.cassandra.locator.";
const COMPRESSORS: &str = "org.apache.cassandra.io.compress.";

fn map_of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The options of a table without WITH.
pub(crate) fn table_defaults() -> BTreeMap<String, Property> {
    let texts = TEXTS.iter().filter_map(|(name, value)| {
        Some(((*name).to_owned(), Property::Text((*value)?.to_owned())))
    });
    let compressor = format!("{COMPRESSORS}LZ4Compressor");
    let maps = [
        ("caching", map_of(&[("keys", "ALL"), ("rows_per_partition", "ALL")])),
        ("compaction", map_of(&[("class", "SizeTieredCompactionStrategy")])),
        ("compression", map_of(&[("sstable_compression", &compressor)])),
    ];
    let maps = maps.into_iter().map(|(name, map)| (name.to_owned(), Property::Map(map)));
    texts.chain(maps).collect()
}

/// Sets table options; names that the server doesn't know are refused.
pub(crate) fn set_table(
    options: &mut BTreeMap<String, Property>,
    properties: &Properties,
) -> Result<(), CqlError> {
    for (name, term) in properties {
        if TEXTS.iter().any(|(known, _)| known == name) {
            options.insert(name.clone(), Property::Text(text(name, term)?));
        } else if MAPS.contains(&name.as_str()) {
            let mut map = map(name, term)?;
            if name == "compaction" {
                require_class(&mut map)?;
            }
            if let Some(class) = map.get_mut("sstable_compression")
                && !class.is_empty()
                && !class.contains('.')
            {
                class.insert_str(0, COMPRESSORS);
            }
            options.insert(name.clone(), Property::Map(map));
        } else {
            return Err(unknown(name));
        }
    }
    Ok(())
}

/// Compaction must name its class, whose package is left out.
fn require_class(map: &mut BTreeMap<String, String>) -> Result<(), CqlError> {
    let Some(class) = map.get_mut("class") else {
        return Err(CqlError::Configuration(
            "Missing sub-option 'class' for the 'compaction' option.".to_owned(),
        ));
    };
    let short = class.rsplit('.').next().unwrap_or_default().to_owned();
    if !short.ends_with("CompactionStrategy") && short != "NullCompactionStrategy" {
        return Err(CqlError::Configuration(format!(
            "Unable to find compaction strategy class '{short}'"
        )));
    }
    *class = short;
    Ok(())
}

fn unknown(name: &str) -> CqlError {
    CqlError::syntax(format!("Unknown property '{name}'"))
}

fn text(name: &str, term: &Term) -> Result<String, CqlError> {
    match term {
        Term::Text(text) | Term::Integer(text) | Term::Float(text) | Term::Uuid(text) => {
            Ok(text.clone())
        }
        Term::Boolean(value) => Ok(value.to_string()),
        Term::Null
        | Term::Hex(_)
        | Term::Duration(_)
        | Term::Marker(_)
        | Term::List(_)
        | Term::Set(_)
        | Term::Map(_)
        | Term::Tuple(_)
        | Term::Fields(_)
        | Term::Call(..)
        | Term::Cast(..) => Err(CqlError::syntax(format!(
            "Invalid value for property '{name}'. It should be a string"
        ))),
    }
}

fn map(name: &str, term: &Term) -> Result<BTreeMap<String, String>, CqlError> {
    let pairs = match term {
        Term::Map(pairs) => pairs.as_slice(),
        Term::Set(parts) if parts.is_empty() => &[],
        Term::Null
        | Term::Text(_)
        | Term::Integer(_)
        | Term::Float(_)
        | Term::Boolean(_)
        | Term::Uuid(_)
        | Term::Hex(_)
        | Term::Duration(_)
        | Term::Marker(_)
        | Term::List(_)
        | Term::Set(_)
        | Term::Tuple(_)
        | Term::Fields(_)
        | Term::Call(..)
        | Term::Cast(..) => {
            return Err(CqlError::syntax(format!(
                "Invalid value for property '{name}'. It should be a map."
            )));
        }
    };
    let pairs = pairs.iter().map(|(key, value)| {
        let key = text(name, key)?;
        // A list of racks instead of a number.
        if let Term::List(racks) = value {
            return Ok((key, racks.len().to_string()));
        }
        Ok((key, text(name, value)?))
    });
    pairs.collect()
}

/// Sets the options of a keyspace; `datacenters` are those that `replication_factor` stands for.
pub(crate) fn set_keyspace(
    keyspace: &mut Keyspace,
    properties: &Properties,
    datacenters: &[String],
) -> Result<(), CqlError> {
    let mut wanted = None;
    for (name, term) in properties {
        match name.as_str() {
            "replication" => {
                keyspace.replication =
                    replication(&map(name, term)?, datacenters, &keyspace.replication)?;
            }
            "durable_writes" => keyspace.durable_writes = text(name, term)? == "true",
            "tablets" => wanted = Some(map(name, term)?),
            "storage" => {}
            "consistency" => {
                return Err(CqlError::Configuration(
                    "The strongly_consistent_tables feature must be enabled to use a consistency \
                     option"
                        .to_owned(),
                ));
            }
            _ => return Err(unknown(name)),
        }
    }
    let Some(class) = keyspace.replication.get("class") else {
        return Err(CqlError::Configuration(
            "Missing mandatory replication strategy class".to_owned(),
        ));
    };
    let by_topology = class.ends_with("NetworkTopologyStrategy");
    let enabled = wanted.as_ref().and_then(|map| map.get("enabled")).map(|word| word == "true");
    let initial = wanted.as_ref().and_then(|map| map.get("initial"));
    let initial = initial.and_then(|text| text.parse::<u32>().ok());
    if !by_topology && (enabled == Some(true) || initial.is_some()) {
        let class = class.rsplit('.').next().unwrap_or_default();
        return Err(CqlError::Configuration(format!("{class} doesn't support tablet replication")));
    }
    keyspace.tablets = match enabled {
        Some(false) => None,
        Some(true) => Some(initial.unwrap_or(0)),
        None if wanted.is_some() => Some(initial.unwrap_or(0)),
        None => by_topology.then(|| keyspace.tablets.unwrap_or(0)),
    };
    Ok(())
}

fn replication(
    map: &BTreeMap<String, String>,
    datacenters: &[String],
    before: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, CqlError> {
    let Some(class) = map.get("class").or_else(|| before.get("class")) else {
        return Err(CqlError::Configuration(
            "Missing mandatory replication strategy class".to_owned(),
        ));
    };
    let short = class.strip_prefix(LOCATOR).unwrap_or(class);
    let known =
        ["SimpleStrategy", "NetworkTopologyStrategy", "LocalStrategy", "EverywhereStrategy"];
    if !known.contains(&short) {
        return Err(CqlError::Configuration(format!("unable to find class '{short}'")));
    }
    let mut out = map_of(&[("class", &format!("{LOCATOR}{short}"))]);
    for (name, factor) in map.iter().filter(|(name, _)| *name != "class") {
        if factor.parse::<u32>().is_err() {
            return Err(CqlError::Configuration(format!(
                "Replication factor must be numeric and non-negative, found '{factor}'"
            )));
        }
        if short == "NetworkTopologyStrategy" && name == "replication_factor" {
            for datacenter in datacenters {
                out.entry(datacenter.clone()).or_insert_with(|| factor.clone());
            }
        } else if short == "NetworkTopologyStrategy" && !datacenters.contains(name) {
            return Err(CqlError::Configuration(format!(
                "Unrecognized strategy option {{{name}}} passed to {LOCATOR}{short} for keyspace"
            )));
        } else {
            out.insert(name.clone(), factor.clone());
        }
    }
    if short == "SimpleStrategy" && !out.contains_key("replication_factor") {
        return Err(CqlError::Configuration(
            "SimpleStrategy requires a replication_factor strategy option.".to_owned(),
        ));
    }
    Ok(out)
}
