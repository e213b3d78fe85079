//! `tablets-routing-v1`: the payload that names the replicas of a tablet.

use crate::cluster::life::member::Member;
use crate::cluster::replicas::tablets::Replica;
use cql::notation::{put_bytes, put_int};

/// The value of the payload: `tuple<bigint, bigint, list<tuple<uuid, int>>>`, range `(first, last]`
/// (protocol-extensions.md of ScyllaDB).
#[must_use]
pub(crate) fn value(first: i64, last: i64, replicas: &[Replica], members: &[Member]) -> Vec<u8> {
    let mut list = Vec::with_capacity(4 + replicas.len() * 32);
    put_int(&mut list, i32::try_from(replicas.len()).unwrap_or(i32::MAX));
    for (node, shard) in replicas {
        let host_id = members.get(*node).map_or([0; 16], |member| member.host_id);
        put_int(&mut list, 28);
        put_bytes(&mut list, Some(&host_id));
        put_bytes(&mut list, Some(&i32::from(*shard).to_be_bytes()));
    }
    let mut value = Vec::with_capacity(28 + list.len());
    put_bytes(&mut value, Some(&first.to_be_bytes()));
    put_bytes(&mut value, Some(&last.to_be_bytes()));
    put_bytes(&mut value, Some(&list));
    value
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::cluster::life::member::RackName;

    #[test]
    fn three_replicas_have_the_bytes_of_the_real_server() {
        let member = |number: u8| {
            let mut host_id = [0; 16];
            host_id[15] = number;
            let rack = RackName::new("dc", "rack");
            Member::new(host_id, IpAddr::from([127, 0, 0, number]), rack, Vec::new(), 8)
        };
        let members = [member(1), member(2), member(3)];
        let value = value(i64::MIN, -1, &[(0, 3), (1, 0), (2, 7)], &members);
        let hex = hex::encode(value);
        let replica = |host, shard| format!("0000001c00000010{host:032x}00000004{shard:08x}");
        let head = "00000008800000000000000000000008ffffffffffffffff0000006400000003";
        assert_eq!(hex, [head.into(), replica(1, 3), replica(2, 0), replica(3, 7)].concat());
    }
}
