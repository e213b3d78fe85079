//! What may happen in a world where anything may happen.

use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    RequestKind { client: usize, ask: RequestKind, cut: usize },
    Answer { lane: usize, request: usize, how: How },
    Carry { lane: usize, bytes: usize },
    Lose { lane: usize },
    Open { pool: usize, node: u16, shard: u16 },
    Time { us: u64 },
    Leave { client: usize },
    Join,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RequestKind {
    Select,
    Insert,
    ExecuteRead,
    ExecuteWrite,
    Batch,
    Create,
    Use(u8),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    Well,
    Unprepared,
    Refused,
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let ask = prop_oneof![
        4 => Just(RequestKind::Select),
        4 => Just(RequestKind::Insert),
        4 => Just(RequestKind::ExecuteRead),
        4 => Just(RequestKind::ExecuteWrite),
        2 => Just(RequestKind::Batch),
        1 => Just(RequestKind::Create),
        2 => (0u8..3).prop_map(RequestKind::Use),
    ];
    let how =
        prop_oneof![6 => Just(How::Well), 3 => Just(How::Unprepared), 1 => Just(How::Refused)];
    prop_oneof![
        8 => (any::<usize>(), ask, 0usize..80)
            .prop_map(|(client, ask, cut)| Op::RequestKind { client, ask, cut }),
        14 => (any::<usize>(), any::<usize>(), how)
            .prop_map(|(lane, request, how)| Op::Answer { lane, request, how }),
        10 => (any::<usize>(), prop_oneof![Just(usize::MAX), 1usize..100])
            .prop_map(|(lane, bytes)| Op::Carry { lane, bytes }),
        2 => any::<usize>().prop_map(|lane| Op::Lose { lane }),
        4 => (any::<usize>(), 0u16..3, 0u16..2)
            .prop_map(|(pool, node, shard)| Op::Open { pool, node, shard }),
        2 => prop_oneof![Just(30_000u64), Just(1_000_000), Just(16_000_000)]
            .prop_map(|us| Op::Time { us }),
        1 => any::<usize>().prop_map(|client| Op::Leave { client }),
        1 => Just(Op::Join),
    ]
}
