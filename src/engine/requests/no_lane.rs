//! A request that no lane takes, and the ERROR that says why.

use std::borrow::Cow;

use crate::engine::core::core::Core;
use crate::engine::features::clients::keyspaces;
use crate::engine::limits::KEYS;
use crate::engine::pending::{Outgoing, Purpose, RequestOrigin};
use crate::engine::view::tally::RequestKind;
use cql::error_code::ErrorCode;
use cql::opcode::Opcode;

/// Answers a client's request that no lane takes.
#[cold]
pub(crate) fn answer(core: &mut Core, outgoing: &Outgoing) {
    let RequestOrigin::Client { to, purpose } = outgoing.origin else { return };
    if matches!(outgoing.opcode, Opcode::Query | Opcode::Prepare)
        && !matches!(purpose, Purpose::Use(_))
        && let Some(refusal) = keyspaces::refusal_of(core, to.client)
    {
        return keyspaces::pass_refusal(core, to, outgoing.opcode, &refusal);
    }
    let text: Cow<'_, str> = if core.pools.lane_map(outgoing.base).live().is_empty() {
        "shardlane has no connection to any node of the cluster".into()
    } else if !core.stalled_nodes.is_empty() {
        "every connection of shardlane that could take this is stalled, full or closing: some \
         nodes neither take nor send bytes"
            .into()
    } else {
        let (key, max) = (KEYS.lane_streams_max, core.settings.limits.lane_streams_max);
        format!(
            "every connection of shardlane to the cluster is full ({max} requests, see {key}) or \
             closing"
        )
        .into()
    };
    core.leave(to.client);
    core.refuse(to, RequestKind::of(outgoing.opcode), ErrorCode::OVERLOADED, &text);
    core.end_use(to.client, purpose);
}
