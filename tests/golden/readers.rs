//! No bytes, however bent or cut, panic a reader.

use std::sync::OnceLock;

use proptest::prelude::*;

use cql::header::HEADER_LEN;
use cql::notation::Reader;
use cql::payload::TabletReport;
use cql::request::auth_response::{self, PlainLogin};
use cql::request::batch::Batch;
use cql::request::execute::Execute;
use cql::request::prepare::Prepare;
use cql::request::query::Query;
use cql::request::register::EventKinds;
use cql::request::startup::Startup;
use cql::response::error::ErrorMessage;
use cql::response::event::Event;
use cql::response::metadata::read_bind_metadata;
use cql::response::prefix::Prefix;
use cql::response::prepared::Prepared;
use cql::response::rows::Rows;
use cql::response::schema_change::SchemaChange;
use cql::response::supported::Supported;
use cql::values::cell;
use cql::values::column_type::ColumnType;

use crate::every_frame;

/// Reads `body` by every reader there is; what comes out does not matter.
fn read_by_all(body: &[u8]) -> usize {
    let mut read = 0;
    let mut note = |is_ok: bool| read += usize::from(is_ok);
    note(Startup::read(body).is_ok_and(|startup| startup.compression().is_ok()));
    note(EventKinds::read(body).is_ok());
    note(auth_response::read(body).is_ok_and(|token| token.and_then(PlainLogin::read).is_some()));
    note(Prepare::read(body).is_ok());
    note(Query::read(body).is_ok_and(|query| query.parameters.options().is_ok()));
    note(Execute::read(body).is_ok_and(|execute| execute.parameters.options().is_ok()));
    note(Batch::read(body).is_ok_and(|batch| batch.tail().is_ok()));
    note(Supported::read(body).is_ok());
    note(ErrorMessage::read(body).is_ok());
    note(Event::read(body).is_ok());
    note(SchemaChange::read_result(body).is_ok());
    note(Rows::read(body).is_ok_and(|rows| rows.rows().all(|row| row.is_ok())));
    for version in [3, 4] {
        note(Prepared::read(version, body).is_ok());
        note(read_bind_metadata(&mut Reader::new(body), version).is_ok());
    }
    for flags in 0..16 {
        note(Prefix::read(flags, body).is_ok());
    }
    note(TabletReport::find(body).is_ok());
    note(ColumnType::read(&mut Reader::new(body)).is_ok());
    note(cell::text_list(body).is_ok());
    note(cell::text_map(body).is_ok());
    read
}

#[test]
fn frames_cut_short_never_panic_a_reader() {
    for (name, frame) in every_frame() {
        let body = &frame[HEADER_LEN..];
        for len in 0..body.len() {
            let cut = read_by_all(&body[..len]);
            assert!(cut <= 64, "{name} cut at {len}");
        }
    }
}

#[test]
fn types_that_nest_without_end_are_refused() {
    let nested = [0x00, 0x20].repeat(100_000);
    assert!(ColumnType::read(&mut Reader::new(&nested)).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic_a_reader(body in prop::collection::vec(any::<u8>(), 0..300)) {
        read_by_all(&body);
    }

    #[test]
    fn no_changed_byte_of_a_real_frame_panics_a_reader(
        index in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        static FRAMES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
        let (_, frame) = index.get(FRAMES.get_or_init(every_frame));
        let mut body = frame[HEADER_LEN..].to_vec();
        if !body.is_empty() {
            let at = at.index(body.len());
            body[at] = byte;
        }
        read_by_all(&body);
    }
}
