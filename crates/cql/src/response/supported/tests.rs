//! Options that are missing, doubled or nonsense.

use super::*;

fn read(options: &[(&str, &str)]) -> Supported {
    let options: Vec<_> = options.iter().map(|(key, value)| (*key, vec![*value])).collect();
    let mut message = Vec::new();
    put_string_multimap(&mut message, &options);
    Supported::read(&message).unwrap()
}

const SHARDED: [(&str, &str); 5] = [
    (SHARD, "3"),
    (NR_SHARDS, "8"),
    (SHARDING_IGNORE_MSB, "12"),
    (PARTITIONER, MURMUR3),
    (SHARDING_ALGORITHM, BIASED),
];

#[test]
fn a_node_is_sharded_only_when_every_key_says_so() {
    let sharding = Sharding { shard: 3, nr_shards: 8, ignore_msb: 12 };
    assert_eq!(read(&SHARDED).sharding, Some(sharding));

    for (index, (key, _)) in SHARDED.iter().enumerate() {
        let mut options = SHARDED.to_vec();
        options.remove(index);
        assert_eq!(read(&options).sharding, None, "without {key}");
    }
}

#[test]
fn shards_that_make_no_sense_are_ignored() {
    let nonsense = [
        (SHARD, "8"),
        (SHARD, "-1"),
        (SHARD, ""),
        (NR_SHARDS, "0"),
        (NR_SHARDS, "65536"),
        (SHARDING_IGNORE_MSB, "64"),
        (PARTITIONER, "org.apache.cassandra.dht.RandomPartitioner"),
        (SHARDING_ALGORITHM, "round-robin"),
    ];
    for (key, value) in nonsense {
        let options = SHARDED.map(|(name, sound)| (name, if name == key { value } else { sound }));
        assert_eq!(read(&options).sharding, None, "{key} = {value}");
    }
}

#[test]
fn a_doubled_or_missing_value_does_not_hide_an_extension() {
    let mut message = Vec::new();
    let options = [(TABLETS_V1, vec!["", ""]), (USE_METADATA_ID, vec![]), (SHARD, vec![])];
    put_string_multimap(&mut message, &options);

    let supported = Supported::read(&message).unwrap();

    assert!(supported.tablets_v1 && supported.metadata_id);
    assert_eq!(supported.sharding, None);
}

#[test]
fn numbers_stand_behind_their_names() {
    let supported = read(&[
        (LWT_MARK, "LWT_OPTIMIZATION_META_BIT_MASK=2147483648"),
        (RATE_LIMIT_ERROR, "ERROR_CODE=61440"),
        (SHARD_AWARE_PORT, "19042"),
        (SHARD_AWARE_PORT_SSL, "0"),
    ]);

    assert_eq!((supported.lwt_mask, supported.rate_limit_code), (Some(1 << 31), Some(0xf000)));
    assert_eq!((supported.shard_aware_port, supported.shard_aware_port_ssl), (Some(19042), None));
    assert_eq!(read(&[(LWT_MARK, "2147483648")]).lwt_mask, None);
}

#[test]
fn unknown_algorithms_are_left_out() {
    let mut message = Vec::new();
    put_string_multimap(&mut message, &[(COMPRESSION, vec!["zstd", "snappy", "lz4"])]);

    let supported = Supported::read(&message).unwrap();

    assert_eq!(supported.compression, [Compression::Snappy, Compression::Lz4]);
}
