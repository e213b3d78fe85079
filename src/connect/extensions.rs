//! The parts of a node's SUPPORTED that matter for lanes: its shards, and the extensions that we take.

use crate::topology::id::HostId;
use cql::compression::Compression;
use cql::request::startup::COMPRESSION;
use cql::response::supported::{LWT_MARK, Supported, TABLETS_V1, USE_METADATA_ID};
use cql::token::shard::{ShardId, Sharder};

/// The extensions negotiated on a lane. Their traces are taken out of what clients get.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extensions {
    /// `TABLETS_ROUTING_V1`: a custom payload names the tablet when a request missed its shard.
    pub tablets_v1: bool,
    /// `SCYLLA_LWT_ADD_METADATA_MARK`: the bits of Prepared's bind metadata flags that mark a
    /// light-weight transaction; 0 when not offered.
    pub lwt_mask: u32,
    /// `SCYLLA_USE_METADATA_ID`: an id stands for the columns that a client holds, so that the
    /// node says when rows have others.
    pub metadata_ids: bool,
    /// How bodies are compressed.
    pub compression: Option<Compression>,
}

impl Extensions {
    /// Takes what is offered. Left out are those whose effects would reach clients that have not
    /// asked for them: error code 0xF000, in place of which the node sends 0x2300 as older ones do,
    /// and tablets v2, with which a QUERY with values fails.
    #[must_use]
    pub fn offered(supported: &Supported) -> Self {
        Self {
            tablets_v1: supported.tablets_v1,
            lwt_mask: supported.lwt_mask.unwrap_or_default(),
            metadata_ids: supported.metadata_id,
            compression: None,
        }
    }

    /// With bodies compressed by `wanted`, if the node knows it.
    #[must_use]
    pub fn compressed(self, supported: &Supported, wanted: Option<Compression>) -> Self {
        let compression = wanted.filter(|wanted| supported.compression.contains(wanted));
        Self { compression, ..self }
    }

    /// The options of STARTUP. Of extensions the server looks at the keys alone.
    pub fn options(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let tablets = self.tablets_v1.then_some((TABLETS_V1, ""));
        let mark = (self.lwt_mask != 0).then_some((LWT_MARK, ""));
        let ids = self.metadata_ids.then_some((USE_METADATA_ID, ""));
        let compression = self.compression.map(|one| (COMPRESSION, one.name()));
        tablets.into_iter().chain(mark).chain(ids).chain(compression)
    }
}

/// The shard of the connection, and how its node divides its data; `None` when the node has no
/// shards, or keeps them to itself (`enable_shard_aware_drivers: false`).
#[must_use]
pub fn sharding(supported: &Supported) -> Option<(ShardId, Sharder)> {
    let sharding = supported.sharding?;
    let sharder = Sharder::new(sharding.nr_shards, sharding.ignore_msb).ok()?;
    Some((ShardId(sharding.shard), sharder))
}

/// Whether the server is Apache Cassandra: it offers nothing that ScyllaDB alone has.
#[must_use]
pub fn is_cassandra(supported: &Supported) -> bool {
    let Supported { sharding, tablets_v1, lwt_mask, rate_limit_code, metadata_id, .. } = supported;
    let is_scylla = sharding.is_some()
        || *tablets_v1
        || lwt_mask.is_some()
        || rate_limit_code.is_some()
        || *metadata_id;
    !is_scylla
}

/// The node's id, if it is advertised (`SCYLLA_HOST_ID`, since 2026.3).
#[must_use]
pub fn host(supported: &Supported) -> Option<HostId> {
    HostId::from_text(supported.host_id.as_ref()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_with_nothing_of_scylladb_is_cassandra() {
        assert!(is_cassandra(&Supported::default()));
        // `enable_shard_aware_drivers: false` leaves this much.
        let hidden = Supported { lwt_mask: Some(1 << 31), ..Supported::default() };
        assert!(!is_cassandra(&hidden));
    }

    #[test]
    fn a_host_is_read_from_its_text() {
        let text = "c595b9e7-89f4-410d-8fa1-1f6b57ca04bb";
        let supported = Supported { host_id: Some(text.to_owned()), ..Supported::default() };
        assert_eq!(host(&supported).unwrap().to_string(), text);

        let broken = Supported { host_id: Some("c595b9e7".to_owned()), ..Supported::default() };
        assert_eq!(host(&broken), None);
    }
}
