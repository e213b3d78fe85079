//! Ids of result metadata: what is left without one is the message that a node without the
//! extension sends, and an EXECUTE with one is the client's but for it.

use cql::header::HEADER_LEN;
use cql::notation::{Reader, put_short_bytes};
use cql::opcode::Opcode;
use cql::response::metadata_id::{CutMetadataId, cut_from_prepared, cut_from_rows};
use cql::response::rows::Rows;

use crate::support::frames;
use crate::support::rig::Rig;

const HAS_MORE_PAGES: u32 = 2;
const METADATA_CHANGED: u32 = 8;
const STATEMENT: [u8; 16] = [9; 16];
const HELD: &[u8] = b"columns that are held";

/// A byte that chooses the reader, then a RESULT message, or the body of an EXECUTE.
pub(crate) fn run(data: &[u8]) {
    let Some((&kind, message)) = data.split_first() else { return };
    match kind % 3 {
        0 => {
            rows(message);
            rows_that_get_one(message, &data[..usize::from(kind).min(data.len())]);
        }
        1 => prepared(message),
        _ => execute(message),
    }
}

fn rows(before: &[u8]) {
    let mut message = before.to_vec();
    let Ok(later) = cut_from_rows(&mut message) else {
        return assert_eq!(message, before, "refused, and changed all the same");
    };
    let is_told = flags_of(before).is_some_and(|flags| flags & METADATA_CHANGED != 0);
    assert_eq!(later > 0, is_told);
    if !is_told {
        return assert_eq!(message, before);
    }
    match (Rows::read(before), Rows::read(&message[later..])) {
        (Ok(with), Ok(without)) => {
            let id = with.metadata.metadata_id.expect("it was cut out");
            assert_eq!(later, 2 + id.len());
            assert_eq!(without.metadata.metadata_id, None);
            assert_eq!(without.metadata.columns, with.metadata.columns);
            assert_eq!(without.metadata.columns_count, with.metadata.columns_count);
            assert_eq!(without.metadata.paging_state, with.metadata.paging_state);
            assert_eq!(without.len(), with.len());
            let columns = with.metadata.columns_count as usize;
            for (ours, theirs) in without.rows().zip(with.rows()).take(50) {
                match (ours, theirs) {
                    (Ok(ours), Ok(theirs)) => assert_eq!(ours.cells, theirs.cells),
                    (ours, theirs) => return assert_eq!(ours.is_err(), theirs.is_err()),
                }
            }
            assert!(columns < usize::MAX);
        }
        (with, without) => assert_eq!(with.is_err(), without.is_err(), "one can be read"),
    }
}

/// Rows without an id get one, and are what they were once it is cut.
fn rows_that_get_one(message: &[u8], id: &[u8]) {
    let Some(flags) = flags_of(message).filter(|flags| flags & METADATA_CHANGED == 0) else {
        return;
    };
    let mut reader = Reader::new(message);
    let paged = flags & HAS_MORE_PAGES != 0;
    let front = [reader.int().is_ok(), reader.int().is_ok(), reader.int().is_ok()];
    if front.contains(&false) || paged && reader.bytes().is_err() {
        return;
    }
    let at = message.len() - reader.rest().len();
    let mut with = message[..at].to_vec();
    with[4..8].copy_from_slice(&(flags | METADATA_CHANGED).to_be_bytes());
    put_short_bytes(&mut with, id);
    with.extend_from_slice(&message[at..]);
    let later = cut_from_rows(&mut with).expect("it has one");
    assert_eq!(with[later..], *message);
}

fn prepared(before: &[u8]) {
    let mut message = before.to_vec();
    let Ok(CutMetadataId { later, id }) = cut_from_prepared(&mut message) else {
        return assert_eq!(message, before, "refused, and changed all the same");
    };
    assert_eq!(later, 2 + id.len());
    // Put back where it was, it makes the message that came.
    let mut reader = Reader::new(&message[later..]);
    let _kind = reader.int().expect("it was read");
    reader.short_bytes().expect("it was read");
    let at = message.len() - reader.rest().len();
    let mut again = message[later..at].to_vec();
    put_short_bytes(&mut again, &id);
    again.extend_from_slice(&message[at..]);
    assert_eq!(again, before);
}

fn flags_of(message: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(message.get(4..8)?.try_into().ok()?))
}

/// A client's EXECUTE, over a lane whose node agreed to ids.
fn execute(body: &[u8]) {
    let mut rig = Rig::new();
    rig.metadata_ids = true;
    let lane = rig.lane(0, 0);
    let client = rig.client();
    let received = frames::prepared(&STATEMENT, 0, "tab.t", b"columns");
    let at = 4 + 2 + STATEMENT.len();
    let mut with_id = received[..at].to_vec();
    put_short_bytes(&mut with_id, HELD);
    with_id.extend_from_slice(&received[at..]);
    rig.send(client, &frames::prepare(1, "SELECT v FROM tab.t WHERE k = ?"));
    let asked = rig.requests(lane).remove(0);
    rig.result(lane, asked.stream(), &with_id);
    assert_eq!(rig.answer(client).body, received, "the client knows of no ids");

    let put = |out: &mut Vec<u8>| out.extend_from_slice(body);
    let request = frames::client_frame(2, Opcode::Execute, put);
    rig.send(client, &request);
    for frame in rig.requests(lane) {
        assert_eq!(frame.opcode(), Opcode::Execute);
        let mut theirs = Reader::new(&request[HEADER_LEN..]);
        let mut ours = Reader::new(&frame.body);
        let Ok(statement) = theirs.short_bytes() else { continue };
        assert_eq!(ours.short_bytes(), Ok(statement));
        let held = ours.short_bytes().expect("each EXECUTE names an id");
        // An empty one is always safe: the rows come with their columns.
        assert!(held.is_empty() || statement == STATEMENT && held == HELD);
        assert_eq!(ours.rest(), theirs.rest());
    }
    rig.finish();
}
