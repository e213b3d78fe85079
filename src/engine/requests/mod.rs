//! The way up: a client's bytes are cut into requests, classified and routed onto a lane.

pub(crate) mod inbound;
pub(crate) mod no_lane;
pub(crate) mod plain;
pub(crate) mod route;
