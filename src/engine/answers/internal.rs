//! Answers to requests of our own, handed to the features that asked.

use crate::engine::core::core::Core;
use crate::engine::core::reply::Response;
use crate::engine::features::features::Features;
use crate::engine::features::statements::{prepared_statements, shapes};
use crate::engine::features::tablets::tablet_samples::SampledTable;
use crate::engine::pending::InternalRequest;

/// A request of our own was answered.
pub(crate) fn on_answer(
    core: &mut Core,
    features: &mut Features,
    request: InternalRequest,
    response: &Response<'_>,
) {
    prepared_statements::compare_columns(core, response);
    match request {
        InternalRequest::Reprepare(number) => {
            features.reprepare.on_answer(core, number, response);
        }
        InternalRequest::LocalTrace(number) => {
            features.local_traces.on_answer(core, number, response);
        }
        InternalRequest::TabletSample { table, base, is_known } => {
            let asked = SampledTable { table, base };
            features.tablet_samples.on_answer(core, asked, is_known, response);
        }
        InternalRequest::Shape(key) => shapes::on_answer(core, key, response),
        InternalRequest::Spread | InternalRequest::Heartbeat => {}
        InternalRequest::SchemaVersion { question, node } => {
            features.agreement.on_answer(core, node, question, response);
        }
    }
}

/// A request of our own will not be answered.
pub(crate) fn on_lost(core: &mut Core, features: &mut Features, request: InternalRequest) {
    match request {
        InternalRequest::Reprepare(number) => features.reprepare.on_lost(core, number),
        InternalRequest::LocalTrace(number) => features.local_traces.on_trace(core, number, None),
        InternalRequest::Shape(key) => shapes::on_lost(core, key),
        InternalRequest::Spread
        | InternalRequest::Heartbeat
        | InternalRequest::TabletSample { .. } => {}
        InternalRequest::SchemaVersion { question, node } => {
            features.agreement.on_version(core, node, question, None);
        }
    }
}
