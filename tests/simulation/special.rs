//! Worlds of a special kind: large rows, tablets on their way, little memory, logins that no application makes.

use crate::chance::Chance;
use crate::clients::intruders::Intrusion;
use crate::faults::fault_kind::FaultKind;
use crate::model::statements::LARGE_BYTES_MAX;
use crate::scenario::Scenario;

impl Scenario {
    /// So that a large answer takes some trips through the network, and not seconds.
    pub(super) fn with_large_rows(mut self, chance: &mut Chance) -> Self {
        let pipe = chance.number(&[4_000, 64_000, 300_000]).max(self.latency_us * 4);
        let read = chance.number(&[1_000, 16_000, 256_000]);
        let unread = self.limits.client_backlog_bytes_max + 2 * LARGE_BYTES_MAX;
        self.large = true;
        self.pipe_bytes = usize::try_from(pipe).unwrap_or(64_000);
        self.read_bytes = usize::try_from(read).unwrap_or(16_000);
        self.limits.client_backlog_bytes_max = unread;
        self.limits.request_timeout_us = self.limits.request_timeout_us.max(2_000_000);
        self
    }

    /// Tablets that are read while they are on their way.
    pub(super) fn with_slow_moves(mut self, chance: &mut Chance) -> Self {
        if !self.seed.is_multiple_of(8) && chance.one_in(4) {
            self.faults.push(FaultKind::SlowMove);
        }
        let seed = self.seed;
        self.with_little_memory(&mut Chance::new(seed, 22))
    }

    /// Long requests, and a bound for what all of them take.
    fn with_little_memory(mut self, chance: &mut Chance) -> Self {
        let is_plain = self.roles == 0 && !self.large && self.pipe_bytes > 300;
        if self.seed % 8 > 1 && is_plain && chance.one_in(3) {
            self.faults.push(FaultKind::Hog);
            // The least that settings take, and the longest request that goes with it.
            self.limits.memory_bytes_max = 32 << 20;
            self.limits.frame_body_bytes_max = 8 << 20;
            self.pipe_bytes = 256_000;
            self.read_bytes = self.read_bytes.max(64_000);
            self.fault_every_us = 150_000;
            self.trouble_us = self.trouble_us.max(6_000_000);
        }
        let seed = self.seed;
        self.with_intruders(&mut Chance::new(seed, 23))
    }

    /// Of so many logins one comes with a wrong password.
    pub(super) fn wrong_in(&self) -> u64 {
        if self.intrusion.is_some() { 2 } else { 8 }
    }

    /// Clients that log in as no application does, beside others that only come and go.
    fn with_intruders(mut self, chance: &mut Chance) -> Self {
        if !self.seed.is_multiple_of(8) && self.roles > 0 && self.centers == 1 && chance.one_in(3) {
            self.intrusion = chance.pick(&Intrusion::ALL).copied();
            self.faults = vec![FaultKind::Intruder, FaultKind::CutClient];
            (self.nat, self.odd_logins) = (false, true);
            self.workers = 1;
            self.latency_us = 10_000;
            self.clients = usize::try_from(chance.between(2, 3)).unwrap_or(2);
            self.logins_max = usize::try_from(chance.number(&[1, 2, 2, 4])).unwrap_or(1);
            self.limits.credentials_max = 6;
            // A login may wait for others that take their second.
            self.limits.request_timeout_us = 10_000_000;
            self.fault_every_us = 100_000;
            self.trouble_us = 9_000_000;
        }
        let seed = self.seed;
        self.with_more_in_the_calm(&mut Chance::new(seed, 25))
    }

    /// What is tried at the end, beside what every world tries.
    fn with_more_in_the_calm(mut self, chance: &mut Chance) -> Self {
        let reaches_all = !self.on_demand() && !self.some_nodes() && self.centers == 1;
        self.copies = reaches_all && self.nodes > 2 && chance.one_in(2);
        // A flood needs room in the catalog, and on lanes; and takes its time.
        let is_wide = self.limits.lane_streams_max > 100 && self.latency_us < 5_000;
        self.floods = reaches_all && is_wide && self.nodes > 2 && chance.one_in(3);
        if self.floods {
            self.limits.catalog_bytes_max = 4 << 20;
        }
        self
    }
}
