//! Settings of [tablets]: how their replicas become known.

use crate::config::setting::{DAY_S, Number, Setting, SettingKind};
use crate::config::table::group::Group;

/// `[tablets]`
pub(super) const TABLETS: Group = Group {
    table: "tablets",
    about: "How the replicas of tablets become known.",
    settings: &[
        Setting {
            key: "tablets.prefetch",
            kind: SettingKind::Switch { field: |settings| &mut settings.tablets.prefetch },
            what: "Whether all tablets of a table are read when a statement first names it",
            why: "They are read from system.tablets over the control connection, in the background. \
                  Without that, each tablet costs one misrouted request. Where clients must log in, \
                  the role needs the right: GRANT SELECT ON system.tablets.",
            ..Setting::PLAIN
        },
        Setting {
            key: "tablets.reread_s",
            kind: SettingKind::Number {
                min: 0,
                max: DAY_S,
                field: |settings| Number::SecondsAsMicros(&mut settings.tablets.reread_us),
            },
            what: "Time after which the tablets of a table in use are read again; 0 is never",
            why: "Nodes report a tablet only to a request that reached no replica of it, and say \
                  nothing of replicas that were added. After a change of replication or of the \
                  nodes tables in use are read again in any case.",
            ..Setting::PLAIN
        },
        Setting {
            key: "tablets.rows_per_s",
            kind: SettingKind::Number {
                min: 100,
                max: 10_000_000,
                field: |settings| Number::U64(&mut settings.tablets.reads.rows_per_s),
            },
            what: "Tablets that are read a second, of all tables together",
            why: "As many are read at once after a second of rest. A table of 1,024 tablets has as \
                  many rows; each worker takes a page of 500 in less than a millisecond.",
            ..Setting::PLAIN
        },
        Setting {
            key: "tablets.samples_per_s",
            kind: SettingKind::Number {
                min: 0,
                max: 10_000,
                field: |settings| Number::U32(&mut settings.tablets.samples_per_s),
            },
            what: "Keys that a worker reads a second to have their tablets reported; 0 is none",
            why: "Nodes report no tablet to a statement by text whose key is a constant. The key of \
                  one such statement in a hundred is read once more, bound to markers: the node's \
                  answer says when its tablet has moved, and then the tablets of the table are \
                  read again. Where they cannot be read (tablets.prefetch), keys of tablets that \
                  are not known are read so, too.",
            ..Setting::PLAIN
        },
    ],
};
