//! Administrative operations: stop, start, kill, reshard, move, split, merge, forget.

use std::time::Duration;

use uuid::Uuid;

use crate::cluster::cluster::Cluster;
use crate::cluster::error::ClusterError;
use crate::cluster::life::member::{Member, State};
use crate::cluster::life::timeline::Due;
use crate::cluster::replicas::ring::Ring;
use crate::cluster::replicas::tablets::{Replica, Tablets};
use crate::node::frames::event::Event;

impl Cluster {
    /// Shuts a node down: its clients are disconnected, and the other nodes send DOWN at once.
    pub fn stop_node(&mut self, node: usize) -> Result<(), ClusterError> {
        let member = self.running(node, true)?;
        member.state = State::Down;
        member.epoch += 1;
        let address = member.address;
        self.connections.close_node(node);
        self.announce_everywhere(node, &Event::Status { up: false, address });
        Ok(())
    }

    /// Kills a node: its clients are disconnected, and the other nodes notice it later.
    pub fn kill_node(&mut self, node: usize, now: Duration) -> Result<(), ClusterError> {
        let member = self.running(node, true)?;
        member.state = State::Silent;
        member.epoch += 1;
        let epoch = member.epoch;
        self.connections.close_node(node);
        self.timeline.plan(now + self.options.down_after, Due::SeenDown { node, epoch });
        Ok(())
    }

    /// Starts a node again, with nothing prepared; the other nodes send UP.
    pub fn start_node(&mut self, node: usize) -> Result<(), ClusterError> {
        let seen = self.history.len();
        let member = self.running(node, false)?;
        member.state = State::Up;
        member.epoch += 1;
        member.schema_seen = seen;
        member.restart(member.nr_shards());
        let address = member.address;
        self.announce_everywhere(node, &Event::Status { up: true, address });
        Ok(())
    }

    /// Restarts a node with another number of shards. Its tablets are then spread over all shards,
    /// as the real server balances them.
    pub fn reshard_node(&mut self, node: usize, shards: u16) -> Result<(), ClusterError> {
        if shards == 0 {
            return Err(ClusterError::NoShards);
        }
        let known = self.members.get(node).filter(|member| member.belongs());
        let state = known.ok_or(ClusterError::UnknownNode(node))?.state;
        if let Some(shard) = self.layout.loads.highest_shard(node).filter(|shard| *shard >= shards)
        {
            return Err(ClusterError::TabletsInTheWay { node, shard });
        }
        if state == State::Up {
            self.stop_node(node)?;
        }
        if let Some(member) = self.members.get_mut(node) {
            member.restart(shards);
        }
        self.start_node(node)?;
        self.level_shards(node);
        Ok(())
    }

    /// Moves one replica of the tablet of `token` from one shard to another.
    pub fn move_tablet(
        &mut self,
        keyspace: &str,
        table: &str,
        token: i64,
        from: Replica,
        to: Replica,
    ) -> Result<(), ClusterError> {
        *self.movable(keyspace, table, token, from, to)? = to;
        self.layout.loads.remove(from);
        self.layout.loads.add(to);
        if let Some(tablet) = self.tablets_mut(keyspace, table)?.locate_mut(token) {
            tablet.moving = None;
        }
        Ok(())
    }

    /// Begins to move one replica of the tablet of `token`: `system.tablets` shows it, and nodes judge
    /// requests as before, until `end_moves`.
    pub fn begin_move(
        &mut self,
        keyspace: &str,
        table: &str,
        token: i64,
        from: Replica,
        to: Replica,
    ) -> Result<(), ClusterError> {
        self.movable(keyspace, table, token, from, to)?;
        if let Some(tablet) = self.tablets_mut(keyspace, table)?.locate_mut(token) {
            tablet.moving = Some((from, to));
        }
        Ok(())
    }

    /// Ends the moves of a table's tablets: each replica is where it was to go, or stays if that can no
    /// longer be. Returns how many arrived.
    pub fn end_moves(&mut self, keyspace: &str, table: &str) -> Result<usize, ClusterError> {
        let tablets = self.tablets_mut(keyspace, table)?;
        let moving = tablets.all_mut().filter_map(|it| Some((it.last, it.moving.take()?)));
        let moving: Vec<_> = moving.collect();
        let mut arrived = 0;
        for (last, (from, to)) in moving {
            arrived += usize::from(self.move_tablet(keyspace, table, last, from, to).is_ok());
        }
        Ok(arrived)
    }

    /// The replica of the tablet of `token` that is `from`, if it can be at `to` instead.
    fn movable(
        &mut self,
        keyspace: &str,
        table: &str,
        token: i64,
        from: Replica,
        to: Replica,
    ) -> Result<&mut Replica, ClusterError> {
        let target = self.members.get(to.0).filter(|member| member.belongs());
        let nr_shards = target.ok_or(ClusterError::UnknownNode(to.0))?.nr_shards();
        if to.1 >= nr_shards {
            return Err(ClusterError::UnknownShard { node: to.0, shard: to.1, nr_shards });
        }
        let tablets = self.tablets_mut(keyspace, table)?;
        let missing = ClusterError::NoReplica { node: from.0, shard: from.1, token };
        let Some(tablet) = tablets.locate_mut(token) else { return Err(missing) };
        let there = tablet.replicas.iter().any(|replica| replica.0 == to.0);
        let replica =
            tablet.replicas.iter_mut().find(|replica| **replica == from).ok_or(missing)?;
        if from.0 != to.0 && there {
            return Err(ClusterError::AlreadyReplica(to.0));
        }
        Ok(replica)
    }

    /// Halves every tablet of a table.
    pub fn split_tablets(&mut self, keyspace: &str, table: &str) -> Result<usize, ClusterError> {
        self.resize(keyspace, table, Tablets::split)
    }

    /// Joins the tablets of a table in pairs.
    pub fn merge_tablets(&mut self, keyspace: &str, table: &str) -> Result<usize, ClusterError> {
        if self.tablets_mut(keyspace, table)?.all().len() < 2 {
            return Err(ClusterError::NothingToMerge);
        }
        self.resize(keyspace, table, Tablets::merge)
    }

    /// Makes nodes forget what was prepared: one node or all, one shard or all. Returns how many
    /// statements were forgotten.
    pub fn forget_statements(
        &mut self,
        node: Option<usize>,
        shard: Option<u16>,
    ) -> Result<usize, ClusterError> {
        if let Some(node) = node.filter(|node| *node >= self.members.len()) {
            return Err(ClusterError::UnknownNode(node));
        }
        let members = self.members.iter_mut().enumerate();
        let members = members.filter(|(number, _)| node.is_none_or(|node| node == *number));
        Ok(members.map(|(_, member)| member.forget_all(shard)).sum())
    }

    /// The number of the node with this host id.
    pub fn node_of_host(&self, host_id: &str) -> Result<usize, ClusterError> {
        let unknown = || ClusterError::UnknownHost(host_id.to_owned());
        let wanted = Uuid::try_parse(host_id).map_err(|_| unknown())?.into_bytes();
        let is = |member: &Member| member.belongs() && member.host_id == wanted;
        self.members.iter().position(is).ok_or_else(unknown)
    }

    /// Gives a node other tokens on the ring.
    pub fn set_tokens(&mut self, node: usize, mut tokens: Vec<i64>) -> Result<(), ClusterError> {
        let member = self.members.get_mut(node).ok_or(ClusterError::UnknownNode(node))?;
        tokens.sort_unstable();
        member.tokens = tokens;
        self.ring = Ring::new(&self.members);
        Ok(())
    }

    fn resize(
        &mut self,
        keyspace: &str,
        table: &str,
        how: fn(&mut Tablets),
    ) -> Result<usize, ClusterError> {
        let tablets = self.tablets_mut(keyspace, table)?;
        let before: Vec<Replica> = replicas(tablets).collect();
        how(tablets);
        let count = tablets.all().len();
        let after: Vec<Replica> = replicas(tablets).collect();
        for replica in before {
            self.layout.loads.remove(replica);
        }
        for replica in after {
            self.layout.loads.add(replica);
        }
        Ok(count)
    }

    /// The tablets of a table, to change their ranges or replicas.
    pub fn tablets_mut(
        &mut self,
        keyspace: &str,
        table: &str,
    ) -> Result<&mut Tablets, ClusterError> {
        let layout = self.layout.table_mut(keyspace, table);
        layout.and_then(|table| table.tablets.as_mut()).ok_or_else(|| ClusterError::NoTablets {
            keyspace: keyspace.to_owned(),
            table: table.to_owned(),
        })
    }

    /// A node that must be running, or must not.
    fn running(&mut self, node: usize, wanted: bool) -> Result<&mut Member, ClusterError> {
        let member = self.members.get_mut(node).filter(|member| member.belongs());
        let member = member.ok_or(ClusterError::UnknownNode(node))?;
        match (member.answers(), wanted) {
            (true, false) => Err(ClusterError::Running { node, state: "running" }),
            (false, true) => Err(ClusterError::Running { node, state: "not running" }),
            (true, true) | (false, false) => Ok(member),
        }
    }

    /// Spreads the tablets of one node evenly over its shards.
    fn level_shards(&mut self, node: usize) {
        let Some(member) = self.members.get(node) else { return };
        let (tablets, loads) = self.layout.tablets_mut();
        let replicas = tablets.flat_map(|tablet| &mut tablet.replicas);
        for replica in replicas.filter(|replica| replica.0 == node) {
            loads.remove(*replica);
            *replica = (node, loads.shard_for(node, member));
            loads.add(*replica);
        }
    }
}

fn replicas(tablets: &Tablets) -> impl Iterator<Item = Replica> {
    tablets.all().iter().flat_map(|tablet| tablet.replicas.iter().copied())
}

#[cfg(test)]
mod tests;
