//! What an operator can do about a connection that could not be opened.

use std::io::ErrorKind;
use std::net::SocketAddr;

use crate::connect::dial_error::{DialError, DialErrorAt, DialStep};
use cql::error_code::ErrorCode;

/// What to do about a connection that could not be opened.
#[must_use]
pub(crate) fn of_dial(failed: &DialErrorAt) -> String {
    match &failed.error {
        DialError::Connect { source } => of_connect(failed.address, source.kind()),
        DialError::Timeout { step: DialStep::Connect, .. } => blocked().to_owned(),
        DialError::Timeout { .. } => {
            "the port is open and does not answer: a node that is overloaded or stuck, a load \
             balancer without nodes, or a port that waits for TLS or a PROXY header; give the \
             plain CQL port, and look at the node's log"
                .to_owned()
        }
        DialError::Broken { step: DialStep::Query | DialStep::Event, .. } => {
            "none is needed if the node went down or was restarted: others are asked; otherwise look \
             at its log, and at what closes idle connections on the way"
                .to_owned()
        }
        DialError::Broken { .. } | DialError::Malformed { .. } | DialError::Unexpected { .. } => {
            "what listens there speaks no CQL without TLS: give the plain CQL port \
             (native_transport_port of the node), not one for TLS, the PROXY protocol or HTTP"
                .to_owned()
        }
        DialError::Tls { hint, .. } => (*hint).to_owned(),
        DialError::TlsAlert { .. } => {
            "the port is for TLS: set tls.ca to the file with the CA of the nodes, or give the plain \
             CQL port"
                .to_owned()
        }
        DialError::SourcePorts { .. } => {
            "widen lanes.source_port_low and lanes.source_port_high, or close what holds the ports \
             (ss -tan)"
                .to_owned()
        }
        DialError::CredentialMissing { .. } => {
            "set username and password_file to a role of the cluster; where clients log in \
             themselves, `run` waits for the first of them and borrows its login"
                .to_owned()
        }
        DialError::Refused(error, DialStep::Login) if error.code == ErrorCode::BAD_CREDENTIALS => {
            "correct username, or the password in password_file; cqlsh -u shows whether they are \
             right"
                .to_owned()
        }
        DialError::Refused(error, _) if error.code == ErrorCode::UNAUTHORIZED => {
            "let the role read the tables: GRANT SELECT ON KEYSPACE system TO …, and the same on \
             system_schema"
                .to_owned()
        }
        DialError::Refused(error, _) if error.code == ErrorCode::PROTOCOL_ERROR => {
            "shardlane speaks protocol 4: use ScyllaDB, or Cassandra 2.2 and later".to_owned()
        }
        DialError::Refused(..) => "look at the node's log".to_owned(),
        DialError::OtherHost { .. } => {
            "let each node have an address of its own; behind address translation set `translate` \
             by host id"
                .to_owned()
        }
    }
}

fn of_connect(address: SocketAddr, kind: ErrorKind) -> String {
    let port = address.port();
    if kind == ErrorKind::ConnectionRefused {
        return format!(
            "start the node, or give the port where it listens (native_transport_port in its \
             configuration) instead of {port}"
        );
    }
    let is_blocked = kind == ErrorKind::TimedOut
        || kind == ErrorKind::HostUnreachable
        || kind == ErrorKind::NetworkUnreachable;
    let text =
        if is_blocked { blocked() } else { "look at what the system says, and at the address" };
    text.to_owned()
}

fn blocked() -> &'static str {
    "check the address, and let firewalls and security groups pass connections from here to this \
     port"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_had_worked_is_not_laid_to_the_port() {
        let address = SocketAddr::from(([10, 0, 0, 7], 9_042));
        let broken =
            |step| DialError::Broken { step, source: ErrorKind::UnexpectedEof.into() }.at(address);
        assert!(of_dial(&broken(DialStep::Event)).contains("restarted"));
        assert!(of_dial(&broken(DialStep::Options)).contains("native_transport_port"));
    }
}
