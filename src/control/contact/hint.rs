//! From an error of the watching connection to what an operator can do about it.

use crate::connect::hint;
use crate::control::error::ControlError;

/// What to do about a node that could not be watched.
#[must_use]
pub(crate) fn of_control(error: &ControlError) -> String {
    match error {
        ControlError::ContactPoint { .. } => {
            "write it as HOST, HOST:PORT or [IPv6]:PORT".to_owned()
        }
        ControlError::Resolve { .. } | ControlError::NoAddress { .. } => {
            "correct the name in contact_points, or the DNS of this machine: `getent hosts NAME` \
             must know it"
                .to_owned()
        }
        ControlError::Dial(failed) => hint::of_dial(failed),
        ControlError::ResolveTimeout { .. } => {
            "look at the DNS of this machine: `getent hosts NAME` has to answer".to_owned()
        }
        ControlError::Cell { .. } => {
            "ask the people of the server: its system tables are damaged, or newer than shardlane"
                .to_owned()
        }
        ControlError::LocalRow { .. } => {
            "wait until the node has joined the cluster (nodetool status: UN)".to_owned()
        }
        ControlError::LoginWanted { .. } => {
            "none is needed: the first client that logs in lends its login; or set username and \
             password_file to a role for the proxy's own questions"
                .to_owned()
        }
        ControlError::OtherCluster { .. } => {
            "name nodes of one cluster in contact_points".to_owned()
        }
        ControlError::UnknownHost { .. } => {
            "name nodes of one cluster in contact_points, none that has left it".to_owned()
        }
        ControlError::OwnListener { .. } => {
            "name nodes of the cluster in contact_points, or let the proxy listen elsewhere (bind)"
                .to_owned()
        }
        ControlError::Shardlane { .. } => {
            "name nodes of the cluster in contact_points: a proxy shows no other".to_owned()
        }
        ControlError::Unreachable(failures) => match failures.first() {
            Some((place, error)) => format!("{place}: {}", of_control(error)),
            None => "name a node in contact_points".to_owned(),
        },
    }
}
