//! Clients that log in as no application does: they guess, never answer a challenge, or come with ever
//! other tokens of one role. Those that mind their manners must get their turn all the same.

use std::net::SocketAddr;

use crate::clients::driver::{Driver, LoginThatWaits, Temper, WayIn};
use crate::faults::fault_kind::FaultKind;
use crate::model::credentials::Credential;
use crate::model::frames::Hand;
use crate::model::statements::RequestKind;
use crate::network::link::LinkId;
use crate::world::World;
use shardlane::engine::client::ClientKey;
use shardlane::pool::action::DialOrder;
use shardlane::pool::connection::Hello;
use shardlane::session::sasl::SaslToken;

/// Mean time between two acts of one of them, µs.
pub(crate) const PAUSE_US: u64 = 100_000;
/// One that guesses or changes its guise comes again after so many acts, on average.
const STAYS: u64 = 3;
/// One that stays silent, after so many.
const STAYS_SILENT: u64 = 30;
/// Such clients at once: fewer than newcomers may be.
const INTRUDERS_MAX: usize = 16;
/// A role that there is not.
const NOBODY: &str = "nobody";
/// In whose name one of them says that it comes.
const GUISE: &str = "guise";
/// Tokens that one of them makes of one password.
const GUISES: u64 = 8;
/// A login that waits for its client holds no place; nothing waits for it this long.
const UNANSWERED_US: u64 = 2_000_000;

/// Turns that logins of such clients had.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct IntrudersTurns {
    /// Those of logins that the cluster had not taken before.
    pub(crate) unverified: u64,
    /// Those of logins that it had.
    pub(crate) known: u64,
}

/// What such a client does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Intrusion {
    /// It tries one password of a role after another.
    Guesses,
    /// It tries one role after another.
    ChangesName,
    /// It asks for a challenge and never answers.
    StaysSilent,
    /// It logs in under one role by ever other tokens.
    ChangesGuise,
}

impl Intrusion {
    /// Every one of them.
    pub(crate) const ALL: [Self; 4] =
        [Self::Guesses, Self::ChangesName, Self::StaysSilent, Self::ChangesGuise];
}

impl World {
    /// Some more clients that log in as no application does.
    pub(crate) fn add_intruders(&mut self) {
        let there = self.drivers.iter().filter(|driver| driver.intrusion.is_some()).count();
        for _ in there..INTRUDERS_MAX.min(there + 4) {
            let mut driver = Driver::draw(&mut self.chance);
            driver.temper = Temper::Hostile;
            driver.intrusion = self.scenario.intrusion;
            self.add_driver(driver);
        }
    }

    /// It logs in, or leaves to come again.
    pub(crate) fn act_as_intruder(&mut self, number: usize) {
        let (guess, guise) = (self.chance.bits(), self.chance.below(GUISES));
        let role = self.credentials.len().saturating_sub(1);
        let last = self.credentials.last(role);
        let Some(driver) = self.drivers.get_mut(number) else { return };
        let Some(intrusion) = driver.intrusion.filter(|_| driver.link.is_some()) else { return };
        if std::mem::replace(&mut driver.ready, true) {
            let stays = if intrusion == Intrusion::StaysSilent { STAYS_SILENT } else { STAYS };
            if self.chance.one_in(stays) {
                self.driver_leaves(number);
            }
            return;
        }
        let token = match intrusion {
            Intrusion::Guesses => format!("\0{NOBODY}\0{guess}").into_bytes(),
            Intrusion::ChangesName => format!("\0{NOBODY}{guess}\0guess").into_bytes(),
            Intrusion::StaysSilent => NOBODY.into(),
            Intrusion::ChangesGuise => {
                let token = last.map(Credential::token).unwrap_or_default();
                [format!("{GUISE}{guise}").into_bytes(), token].concat()
            }
        };
        driver.outbox.extend(Hand::OWN.startup(&[("CQL_VERSION", "3.0.0")]));
        driver.outbox.extend(Hand::OWN.auth_response(&token));
        self.driver_writes(number);
    }

    /// Where a client comes from: those that guess or change their guise share an address with others.
    pub(crate) fn peer_of(&mut self, id: LinkId) -> SocketAddr {
        let driver = self.links.get_mut(&id).and_then(|link| Some(link.client()?.driver));
        let number = driver.unwrap_or(0);
        let intrusion = self.drivers.get(number).and_then(|driver| driver.intrusion);
        let host = match intrusion {
            Some(Intrusion::StaysSilent | Intrusion::ChangesName) => 9,
            Some(Intrusion::Guesses | Intrusion::ChangesGuise) => 1,
            None => 1 + u8::try_from(number % 2).unwrap_or(0),
        };
        SocketAddr::from(([10, 1, 0, host], 40_000))
    }

    /// Whether a login is one that the cluster takes its time to refuse: where clients guess it asks a
    /// directory.
    pub(crate) fn is_refused_slowly(&self, hello: &Hello) -> bool {
        let Hello::Login { token, .. } = hello else { return false };
        let is_guess = token.reveal().starts_with(format!("\0{NOBODY}").as_bytes());
        let is_withdrawn = self.is_withdrawn(Credential::of_token(token.reveal()));
        let asks_a_directory =
            matches!(self.scenario.intrusion, Some(Intrusion::Guesses | Intrusion::ChangesName));
        asks_a_directory && (is_guess || is_withdrawn)
    }

    /// A login comes to the pools: whether its token was taken before, and how many intruders had their
    /// turn by then. An answer to a challenge is none.
    pub(crate) fn note_login(&mut self, worker: usize, client: ClientKey, token: &SaslToken) {
        let id = self.workers.get(worker).client_links.get(&client).copied();
        let link = id.and_then(|id| self.links.get_mut(&id));
        let number = link.and_then(|link| Some(link.client()?.driver));
        let is_known = self.workers.book.has(token);
        let login =
            LoginThatWaits { since_us: self.now_us, intruders: self.counted.intruders, is_known };
        let driver = number.and_then(|number| self.drivers.get_mut(number));
        if let Some(driver) = driver.filter(|driver| driver.logs_in_by(token)) {
            driver.login = Some(login);
        }
    }

    /// A login has its turn: intruders may have had few turns since it came.
    pub(crate) fn check_login_turn(&mut self, order: &DialOrder) {
        let Hello::Login { token, is_known: comes_again } = &order.hello else { return };
        if !self.scenario.has(FaultKind::Intruder) {
            return;
        }
        let mine = self.drivers.iter().filter(|driver| driver.logs_in_by(token));
        let Some(login) = mine.filter_map(|driver| driver.login).max() else {
            let name = String::from_utf8_lossy(token.reveal());
            if name.contains(NOBODY) || name.starts_with(GUISE) {
                self.counted.intruders.known += u64::from(*comes_again);
                self.counted.intruders.unverified += u64::from(!*comes_again);
            }
            return;
        };
        let clients = u64::try_from(self.scenario.clients).unwrap_or(u64::MAX);
        let now = self.counted.intruders;
        let unverified = now.unverified - login.intruders.unverified;
        let known = now.known - login.intruders.known;
        let waited_us = self.now_us - login.since_us;
        self.narrate(format_args!(
            "a login has its turn after {waited_us} µs, behind {unverified} intruders and {known} that were taken before"
        ));
        // Those of one address have one turn in each round, and those of one role of it; others before this
        // login are those that honest clients sent. One that was taken before gives way to one unverified login
        // behind each like it.
        let most = if login.is_known { 2 * clients } else { clients };
        if unverified > most {
            self.blame(format_args!("a login waits behind {unverified} of intruders"));
        }
        // They are of one role. While no unverified login has a place, unverified logins take turns with them.
        let places = u64::try_from(self.scenario.logins_max).unwrap_or(u64::MAX);
        let most = if login.is_known { clients } else { 2 * clients * places };
        if known > most {
            self.blame(format_args!(
                "a login waits behind {known} of intruders that were taken before"
            ));
        }
        // Half of the places are kept for those that were taken before; one of them may be asked about
        // when this one comes.
        let kept_us = (clients * 20 + 10) * self.scenario.latency_us;
        if login.is_known && self.scenario.logins_max > 1 && waited_us > kept_us {
            self.blame(format_args!("a login that was taken before waits for {waited_us} µs"));
        }
    }

    /// Challenges are not answered for long: no login may wait for that.
    pub(crate) fn check_unanswered(&mut self) {
        if self.scenario.intrusion != Some(Intrusion::StaysSilent) {
            return;
        }
        let now_us = self.now_us;
        let waits = |number: &u64| {
            let record = self.ledger.get(*number);
            let is_login = |ask: &RequestKind| matches!(ask, RequestKind::LogIn(_));
            record.is_some_and(|it| is_login(&it.ask) && it.asked_us + UNANSWERED_US < now_us)
        };
        let late = self.drivers.iter().any(|driver| {
            let is_known = driver.login.is_none_or(|login| login.is_known);
            let is_asked = driver.way_in != WayIn::Challenged && !is_known;
            is_asked && driver.is_honest() && driver.waiting.values().any(waits)
        });
        if late {
            self.blame(format_args!("logins wait for a client that does not answer a challenge"));
        }
    }
}
