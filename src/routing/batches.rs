//! From a BATCH to a decision: by its first child that names a partition.

use crate::routing::batch_place::{BatchPlace, ChildTexts};
use crate::routing::bound_key::locate;
use crate::routing::decision::Reason;
use crate::routing::place::Place;
use crate::routing::policy::{LaneCandidates, LaneChoice};
use crate::routing::router::Router;
use crate::routing::text::{BoundText, Schema};
use cql::request::batch::{Batch, ChildStatement};
use cql::request::parameters::Values;
use cql::statement::write_type::WriteType;

/// How much of the texts of one BATCH is read, bytes. What follows is taken to need its client's
/// keyspace.
const BATCH_READ_BYTES_MAX: usize = 64 << 10;
/// What a child costs besides, in the same unit.
const CHILD_BYTES: usize = 64;

impl Router {
    /// Looks through the children of a BATCH, once: the lanes that it may take depend on them, too.
    pub(crate) fn look_through<'a>(
        &mut self,
        batch: &Batch<'a>,
        texts: ChildTexts<'a>,
    ) -> BatchPlace<'a> {
        let mut place = BatchPlace {
            found: None,
            text: None,
            unread: Vec::new(),
            lwt: false,
            needs_keyspace: false,
            read_bytes: 0,
            write_type: WriteType::of_batch(batch.kind),
        };
        let mut seen: Option<&[u8]> = None;
        for child in batch.children() {
            let Ok(child) = child else {
                place.write_type = WriteType::Unknown;
                break;
            };
            let id = match child.statement {
                ChildStatement::Prepared(id) => id,
                ChildStatement::Text(text) => {
                    self.look_at_text(&mut place, text, child.values, texts);
                    continue;
                }
            };
            if place.found.is_some() && seen == Some(id) {
                continue;
            }
            seen = Some(id);
            let Some((_, entry)) = self.catalog.find(id) else {
                place.write_type = place.write_type.with_child(WriteType::Unknown);
                continue;
            };
            place.write_type = place.write_type.with_child(entry.statement.write_type);
            // One condition makes the whole batch a light-weight transaction.
            place.lwt |= entry.statement.lwt;
            let Some(table) = entry.table.filter(|_| place.found.is_none()) else { continue };
            let at = locate(
                entry,
                table,
                child.values,
                &mut Schema {
                    keys: &mut self.keys,
                    routes: &mut self.routes,
                    snapshot: &self.snapshot,
                    tables: &self.tables,
                },
                &mut self.scratch,
            );
            if let Place::At(..) = at {
                place.found = Some(at);
            }
        }
        place
    }

    /// Looks at a child by text, unless too much was read already.
    #[cold]
    fn look_at_text<'a>(
        &mut self,
        place: &mut BatchPlace<'a>,
        text: &'a str,
        values: Values<'a>,
        texts: ChildTexts<'a>,
    ) {
        place.read_bytes += CHILD_BYTES + text.len();
        let (keyspace, now_us) = match texts {
            ChildTexts::Read { keyspace, now_us } if place.read_bytes <= BATCH_READ_BYTES_MAX => {
                (keyspace, now_us)
            }
            ChildTexts::Read { .. } | ChildTexts::Opaque => {
                place.needs_keyspace = true;
                return;
            }
        };
        let asked = BoundText { text, values, keyspace, now_us };
        let child = self.read_text(&asked);
        place.unread.extend(child.unread);
        place.needs_keyspace |= !child.is_qualified;
        place.lwt |= child.is_fixed;
        if place.found.is_none() && matches!(child.place, Place::At(..)) {
            place.found = Some(child.place);
            place.text = Some((asked, child.reason));
        }
    }

    /// Routes a BATCH by its first child that names one partition.
    pub(crate) fn batch<F: LaneCandidates>(
        &mut self,
        place: &BatchPlace<'_>,
        view: &F,
    ) -> LaneChoice<F::Lane> {
        let Some(found) = &place.found else {
            return LaneChoice::of(self.anywhere(view, Reason::UnroutableBatch));
        };
        let choice = self.decide(found, place.lwt, view);
        if let Some(table) = place.table() {
            self.read_times.on_used(table);
        }
        match place.text {
            Some((_, reason)) => choice.by_text(reason),
            None => choice,
        }
    }
}
