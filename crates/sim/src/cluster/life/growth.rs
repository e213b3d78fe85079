//! Nodes join and leave.

use uuid::Version;

use crate::cluster::cluster::Cluster;
use crate::cluster::error::ClusterError;
use crate::cluster::life::member::{Member, RackName, State};
use crate::cluster::replicas::placement::Loads;
use crate::cluster::replicas::replication::Replication;
use crate::cluster::replicas::ring::Ring;
use crate::cluster::seed::{address_after, mix, uuid};
use crate::node::frames::event::Event;
use crate::store::definitions::setting::Racks;

const CHANCE_OF_HOSTS: u64 = 0x686f_7300;
const CHANCE_OF_TOKENS: u64 = 0x746f_6b00;

impl Cluster {
    /// Adds a node, which takes its share of the tablets and of the ring; the other nodes send
    /// NEW_NODE and UP. Without a `rack` it gets the next in turn. Returns its number.
    pub fn add_node(&mut self, shards: u16, rack: Option<RackName>) -> Result<usize, ClusterError> {
        let node = self.found(shards, rack)?;
        self.ring = Ring::new(&self.members);
        if let Some(member) = self.members.get(node) {
            let center = member.data_center.clone();
            let peers = self.members.iter().filter(|it| it.belongs() && it.data_center == center);
            let nodes = peers.count();
            self.take_share(node, nodes);
        }
        self.layout.fit(&self.members);
        if let Some(address) = self.members.get(node).map(|member| member.address) {
            self.announce_everywhere(node, &Event::Topology { joined: true, address });
            self.announce_everywhere(node, &Event::Status { up: true, address });
        }
        Ok(node)
    }

    /// Removes a node for good: its tablets go to other nodes, its clients are disconnected, and the
    /// other nodes send DOWN and REMOVED_NODE.
    pub fn remove_node(&mut self, node: usize) -> Result<(), ClusterError> {
        let member = self.members.get(node).filter(|member| member.belongs());
        let center = member.ok_or(ClusterError::UnknownNode(node))?.data_center.clone();
        let left = |center: Option<&str>| {
            let members = self.members.iter().enumerate();
            let others = members.filter(|(other, member)| {
                let here = center.is_none_or(|center| center == member.data_center);
                *other != node && member.belongs() && here
            });
            others.count()
        };
        for (name, keyspace) in &self.layout.keyspaces {
            let (wanted, left) =
                match (&keyspace.replication, keyspace.replication.factor_in(&center)) {
                    (Replication::Simple(factor), _) => (*factor, left(None)),
                    (Replication::Local | Replication::Network(..), factor) => {
                        (factor.unwrap_or(0), left(Some(&center)))
                    }
                };
            if left < wanted {
                return Err(ClusterError::TooFewNodes(node, name.clone()));
            }
        }
        if left(None) == 0 {
            return Err(ClusterError::TooFewNodes(node, "any keyspace".to_owned()));
        }
        if let Some(member) = self.members.get_mut(node) {
            member.state = State::Gone;
            member.epoch += 1;
            let address = member.address;
            self.ring = Ring::new(&self.members);
            self.layout.fit(&self.members);
            self.count_racks();
            self.connections.close_node(node);
            self.announce_everywhere(node, &Event::Status { up: false, address });
            self.announce_everywhere(node, &Event::Topology { joined: false, address });
        }
        Ok(())
    }

    /// Adds a running member without an event.
    pub(crate) fn found(
        &mut self,
        shards: u16,
        rack: Option<RackName>,
    ) -> Result<usize, ClusterError> {
        if shards == 0 {
            return Err(ClusterError::NoShards);
        }
        let node = self.members.len();
        let options = &self.options;
        let no_room =
            || ClusterError::NoAddress { count: node + 1, base: options.address.to_string() };
        let offset = u8::try_from(node).map_err(|_| no_room())?;
        let address = address_after(options.address, offset).ok_or_else(no_room)?;
        let serial = u64::from(offset);
        let rack = rack.unwrap_or_else(|| {
            let centers = options.data_centers.len().max(1);
            let center = options.data_centers.get(node % centers);
            let rack = options.racks.get((node / centers) % options.racks.len().max(1));
            RackName::new(
                center.map_or("datacenter1", String::as_str),
                rack.map_or("rack1", String::as_str),
            )
        });
        let token = |index| {
            let number = mix(options.seed ^ CHANCE_OF_TOKENS, serial << 32 | index);
            number.cast_signed().max(i64::MIN + 1)
        };
        let mut tokens: Vec<i64> = (0..options.vnodes).map(token).collect();
        tokens.sort_unstable();
        let host_id = uuid(options.seed ^ CHANCE_OF_HOSTS, serial, Version::Random);
        let mut member = Member::new(host_id, address, rack, tokens, shards);
        member.schema_seen = self.history.len();
        if !self.database.datacenters.contains(&member.data_center) {
            self.database.datacenters.push(member.data_center.clone());
        }
        self.members.push(member);
        self.count_racks();
        Ok(node)
    }

    /// Lists the racks of each data center for checks of replication factors.
    fn count_racks(&mut self) {
        let mut racks = Racks::new();
        for member in self.members.iter().filter(|member| member.belongs()) {
            let names = racks.entry(member.data_center.clone()).or_default();
            names.insert(member.rack.clone());
        }
        self.database.racks = racks;
    }

    /// Moves tablets of the fullest nodes of the same data center to `node`, until it has its
    /// share among `nodes`.
    fn take_share(&mut self, node: usize, nodes: usize) {
        let Some(member) = self.members.get(node) else { return };
        let members = &self.members;
        let here = |other: usize| {
            let other = members.get(other);
            other.is_some_and(|it| it.belongs() && it.data_center == member.data_center)
        };
        let (tablets, loads) = self.layout.tablets_mut();
        let all: usize =
            (0..members.len()).filter(|it| here(*it)).map(|it| loads.of_node(it)).sum();
        let share = all / nodes.max(1);
        for tablet in tablets {
            if loads.of_node(node) >= share || tablet.replicas.iter().any(|it| it.0 == node) {
                continue;
            }
            let fullest = fullest(&tablet.replicas, loads, &here);
            let old = fullest.and_then(|it| tablet.replicas.iter_mut().find(|old| old.0 == it));
            if let Some(replica) = old.filter(|old| loads.of_node(old.0) > share) {
                let shard = loads.shard_for(node, member);
                loads.remove(*replica);
                *replica = (node, shard);
                loads.add(*replica);
            }
        }
    }
}

/// The node with the most tablets among those of `replicas` that are `here`.
fn fullest(
    replicas: &[(usize, u16)],
    loads: &Loads,
    here: &dyn Fn(usize) -> bool,
) -> Option<usize> {
    let nodes = replicas.iter().map(|replica| replica.0).filter(|node| here(*node));
    nodes.max_by_key(|node| loads.of_node(*node))
}
