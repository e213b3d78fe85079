//! How many replicas must answer at a consistency level, and whether they can.

use crate::cluster::life::member::Member;
use crate::cluster::replicas::tablets::Replica;
use cql::consistency::Consistency;

/// The name of a level in error texts and traces.
#[must_use]
pub(crate) fn name(level: Consistency) -> &'static str {
    match level {
        Consistency::Any => "ANY",
        Consistency::One => "ONE",
        Consistency::Two => "TWO",
        Consistency::Three => "THREE",
        Consistency::Quorum => "QUORUM",
        Consistency::All => "ALL",
        Consistency::LocalQuorum => "LOCAL_QUORUM",
        Consistency::EachQuorum => "EACH_QUORUM",
        Consistency::Serial => "SERIAL",
        Consistency::LocalSerial => "LOCAL_SERIAL",
        Consistency::LocalOne => "LOCAL_ONE",
        Consistency::Unknown(_) => "",
    }
}

/// How many of `replicas` replicas must answer at a level.
#[must_use]
pub(crate) fn required(level: Consistency, replicas: usize) -> usize {
    match level {
        Consistency::Any | Consistency::Unknown(_) => 0,
        Consistency::One | Consistency::LocalOne => 1,
        Consistency::Two => 2,
        Consistency::Three => 3,
        Consistency::Quorum
        | Consistency::LocalQuorum
        | Consistency::EachQuorum
        | Consistency::Serial
        | Consistency::LocalSerial => replicas / 2 + 1,
        Consistency::All => replicas,
    }
}

/// Whether enough replicas can answer a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Yes.
    Enough,
    /// No, and the coordinator knows: UNAVAILABLE at once.
    Unavailable {
        /// Replicas that must answer.
        required: usize,
        /// Replicas that seem alive.
        alive: usize,
    },
    /// No, but the coordinator finds out only by waiting.
    TimesOut {
        /// Replicas that must answer.
        required: usize,
        /// Replicas that do answer.
        answering: usize,
    },
}

/// Decides whether enough `replicas` are up for a request with `consistency` to a coordinator in
/// `data_center`.
#[must_use]
pub(crate) fn judge(
    consistency: Consistency,
    replicas: &[Replica],
    data_center: &str,
    members: &[Member],
) -> Verdict {
    let all = || replicas.iter().filter_map(|replica| members.get(replica.0));
    if all().all(Member::answers)
        && required(consistency, replicas.len()) <= replicas.len()
        && !consistency.is_local()
    {
        return Verdict::Enough;
    }
    let mut centers: Vec<Option<&str>> = vec![None];
    if consistency.is_local() {
        centers = vec![Some(data_center)];
    } else if consistency == Consistency::EachQuorum {
        centers = all().map(|member| Some(member.data_center.as_str())).collect();
    }
    for center in centers {
        let here = |member: &&Member| center.is_none_or(|center| center == member.data_center);
        let count = |is: fn(&Member) -> bool| all().filter(here).filter(|it| is(it)).count();
        let required = required(consistency, count(Member::belongs));
        let alive = count(Member::seems_alive);
        let answering = count(Member::answers);
        if alive < required {
            return Verdict::Unavailable { required, alive };
        }
        if answering < required {
            return Verdict::TimesOut { required, answering };
        }
    }
    Verdict::Enough
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::cluster::life::member::{RackName, State};

    fn members(states: &[(&str, State)]) -> Vec<Member> {
        let address = IpAddr::from([127, 0, 0, 1]);
        let one = |(center, state): &(&str, State)| {
            let rack = RackName::new(center, "rack");
            let mut member = Member::new([0; 16], address, rack, Vec::new(), 1);
            member.state = *state;
            member
        };
        states.iter().map(one).collect()
    }

    const ALL: [Replica; 3] = [(0, 0), (1, 0), (2, 0)];

    #[test]
    fn a_node_that_is_known_to_be_down_makes_all_unavailable() {
        let members = members(&[("a", State::Up), ("a", State::Down), ("a", State::Up)]);
        let of = |consistency| judge(consistency, &ALL, "a", &members);
        assert_eq!(of(Consistency::Quorum), Verdict::Enough);
        assert_eq!(of(Consistency::All), Verdict::Unavailable { required: 3, alive: 2 });
    }

    #[test]
    fn a_killed_node_that_seems_up_makes_requests_wait() {
        let members = members(&[("a", State::Up), ("a", State::Silent), ("a", State::Up)]);
        let verdict = judge(Consistency::All, &ALL, "a", &members);
        assert_eq!(verdict, Verdict::TimesOut { required: 3, answering: 2 });
    }

    #[test]
    fn local_levels_count_replicas_of_their_data_center_only() {
        let members = members(&[("a", State::Up), ("b", State::Down), ("b", State::Up)]);
        let local = |center| judge(Consistency::LocalQuorum, &ALL, center, &members);
        assert_eq!(local("a"), Verdict::Enough);
        assert_eq!(local("b"), Verdict::Unavailable { required: 2, alive: 1 });
    }
}
