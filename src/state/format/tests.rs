//! States that are written are read the same, and any other bytes are refused.

use std::sync::Arc;

use cql::statement::write_type::WriteType;
use cql::values::column_type::ColumnType;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::routing::statement::{Restored, Statement};
use crate::state::record::TableTablets;
use crate::topology::id::HostId;
use crate::topology::table_key::{KeyColumn, TableKey};
use crate::topology::tablet_page::ReadTablet;

fn about() -> StateHeader {
    StateHeader {
        cluster: "Test Cluster".into(),
        schema_version: Some([7; 16]),
        hosts: vec![HostId([1; 16]), HostId([2; 16])],
        data_center: "dc1".into(),
        rack: "rack1".into(),
        incomplete: true,
        collected_s: 1_796_000_000,
    }
}

fn statement() -> Restored {
    let statement = Statement {
        id: [9; 16].into(),
        text: "SELECT v FROM ks.t WHERE k = ?".into(),
        keyspace: Some("ks".into()),
        table: Some(("ks".into(), "t".into())),
        pk_indexes: vec![1, 0],
        names: vec!["k".into(), "c".into()],
        lwt: true,
        is_read: true,
        write_type: WriteType::Cas,
        result_metadata: [1, 2, 3].into(),
        metadata_id: [4].into(),
    };
    Restored { statement: Arc::new(statement), changed: true, mixed: false, writes: true, used: 77 }
}

fn records() -> Vec<Record> {
    let column = KeyColumn { name: "k".into(), kind: ColumnType::Int };
    let key = TableKey {
        keyspace: "ks".into(),
        table: "t".into(),
        columns: Some([column].into()),
        is_absent: false,
    };
    let absent =
        TableKey { keyspace: "ks".into(), table: "gone".into(), columns: None, is_absent: false };
    let tablet = |first, last, shard| ReadTablet {
        first,
        last,
        replicas: vec![(HostId([2; 16]), shard), (HostId([1; 16]), 0)],
    };
    let tablets = TableTablets {
        keyspace: "ks".into(),
        table: "t".into(),
        replication: "class=NetworkTopologyStrategy,dc1=3".into(),
        tablets: vec![tablet(i64::MIN, 0, 3), tablet(0, i64::MAX, 65_535)],
    };
    vec![
        Record::Statements(vec![statement()]),
        Record::Keys(vec![Arc::new(key), Arc::new(absent)]),
        Record::Tablets(tablets),
    ]
}

fn bytes_of(about: StateHeader, records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::begin(&mut bytes, about);
    for record in records {
        writer.put(&mut bytes, record);
    }
    writer.end(&mut bytes);
    bytes
}

#[test]
fn a_state_that_is_written_is_read_the_same() {
    let bytes = bytes_of(about(), &records());
    let state = CheckedState::check(&bytes).unwrap();
    assert_eq!(state.about(), &about());
    assert_eq!(state.collect::<Vec<_>>(), records());
}

#[test]
fn a_state_without_records_is_one() {
    let bytes = bytes_of(StateHeader::default(), &[]);
    assert_eq!(CheckedState::check(&bytes).unwrap().count(), 0);
}

#[test]
fn every_byte_that_is_another_is_noticed() {
    let bytes = bytes_of(about(), &records());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bent = bytes.clone();
            bent[at] ^= 1 << bit;
            let fault = CheckedState::check(&bent).unwrap_err();
            let is_head = at < HEAD;
            let names_head = matches!(fault, StateError::Foreign | StateError::Version(_));
            assert_eq!(is_head, names_head, "byte {at}, bit {bit}: {fault}");
        }
    }
}

#[test]
fn a_state_that_ends_anywhere_before_its_end_is_cut_off() {
    let bytes = bytes_of(about(), &records());
    for len in 0..bytes.len() {
        assert_eq!(CheckedState::check(&bytes[..len]).unwrap_err(), StateError::CutOff, "{len}");
    }
}

#[test]
fn a_record_that_is_missing_or_elsewhere_is_noticed() {
    let whole = bytes_of(about(), &records());
    let none = bytes_of(about(), &[]);
    let two = bytes_of(about(), &records()[..2]);
    let begin = HEAD + (none.len() - HEAD - (SUM + LENGTH + 5));
    let first_end = begin + (bytes_of(about(), &records()[..1]).len() - none.len());
    let second_end = first_end + (two.len() - bytes_of(about(), &records()[..1]).len());
    let (first, second) = (&whole[begin..first_end], &whole[first_end..second_end]);
    let swapped = [&whole[..begin], second, first, &whole[second_end..]].concat();
    assert_eq!(CheckedState::check(&swapped).unwrap_err(), StateError::Damaged(1));
    let missing = [&whole[..begin], first, &whole[second_end..]].concat();
    assert_eq!(CheckedState::check(&missing).unwrap_err(), StateError::Damaged(2));
}

#[test]
fn bytes_behind_the_end_and_other_formats_are_refused() {
    let bytes = bytes_of(about(), &records());
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(CheckedState::check(&longer).unwrap_err(), StateError::TooLong);
    let mut newer = bytes;
    newer[8..12].copy_from_slice(&2_u32.to_be_bytes());
    assert_eq!(CheckedState::check(&newer).unwrap_err(), StateError::Version(2));
    let text = b"contact_points = [\"10.0.0.1\"]";
    assert_eq!(CheckedState::check(text).unwrap_err(), StateError::Foreign);
    let second = bytes_of(about(), &[Record::Header(about())]);
    assert_eq!(CheckedState::check(&second).unwrap_err(), StateError::Damaged(1));
}

#[test]
fn the_bytes_of_version_1_stay_as_they_are() {
    let bytes = bytes_of(about(), &records());
    let golden = include_str!("version-1.hex").split_whitespace().collect::<String>();
    assert_eq!(hex::encode(&bytes), golden, "a process of another version could not read it");
}

fn text() -> impl Strategy<Value = String> {
    "[a-zé\\PC]{0,12}"
}

fn any_statement() -> impl Strategy<Value = Restored> {
    let names = (vec(any::<u8>(), 0..40), text(), option::of(text()), option::of((text(), text())));
    let columns = (vec(any::<u16>(), 0..4), vec(text(), 0..4), vec(any::<u8>(), 0..60));
    let write_type = prop::sample::select(vec![
        WriteType::Simple,
        WriteType::Batch,
        WriteType::UnloggedBatch,
        WriteType::Counter,
        WriteType::Cas,
        WriteType::Unknown,
    ]);
    (names, columns, any::<[bool; 5]>(), any::<u64>(), write_type).prop_map(
        |((id, text, keyspace, table), (indexes, names, columns), bits, used, write_type)| {
            let [lwt, is_read, changed, mixed, writes] = bits;
            let statement = Statement {
                id: id.clone().into(),
                text: text.into(),
                keyspace: keyspace.map(Arc::from),
                table: table.map(|(keyspace, table)| (keyspace.into(), table.into())),
                pk_indexes: indexes,
                names: names.into_iter().map(Box::from).collect(),
                lwt,
                is_read,
                write_type,
                result_metadata: columns.into(),
                metadata_id: id.into(),
            };
            Restored { statement: Arc::new(statement), changed, mixed, writes, used }
        },
    )
}

fn any_tablets() -> impl Strategy<Value = TableTablets> {
    let host = any::<u8>().prop_map(|byte| HostId([byte; 16]));
    let replicas = vec((host, any::<u16>()), 0..5);
    let tablet = (any::<i64>(), any::<i64>(), replicas);
    let tablet = tablet.prop_map(|(first, last, replicas)| ReadTablet { first, last, replicas });
    (text(), text(), text(), vec(tablet, 0..20)).prop_map(
        |(keyspace, table, replication, tablets)| TableTablets {
            keyspace: keyspace.into(),
            table: table.into(),
            replication: replication.into(),
            tablets,
        },
    )
}

proptest! {
    #[test]
    fn any_state_is_read_as_it_was_written(
        statements in vec(any_statement(), 0..5),
        tablets in vec(any_tablets(), 0..4),
    ) {
        let mut records = vec![Record::Statements(statements)];
        records.extend(tablets.into_iter().map(Record::Tablets));
        let bytes = bytes_of(about(), &records);
        prop_assert_eq!(CheckedState::check(&bytes).unwrap().collect::<Vec<_>>(), records);
    }

    #[test]
    fn no_bytes_behind_a_right_head_panic(bytes in vec(any::<u8>(), 0..200)) {
        let head = bytes_of(about(), &[]);
        let whole = [&head[..HEAD], &bytes].concat();
        prop_assert!(CheckedState::check(&whole).is_err());
        wire::read(&bytes).ok();
    }
}
