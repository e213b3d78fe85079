//! Is this the answer that was asked for: right client, right stream, right row, and nothing of ours
//! left in it.

use std::sync::Arc;

use crate::agenda::Event;
use crate::clients::driver::{Held, WayIn};
use crate::faults::fault_kind::FaultKind;
use crate::model::answers::{expect_kind, judge_lost_write, judge_result};
use crate::model::frames::Frame;
use crate::model::ledger::Record;
use crate::model::statements::{Handle, KEYSPACES, RequestKind, Shape};
use crate::network::node::describe;
use crate::proxy::greeting::GONE;
use crate::world::World;
use cql::error_code::ErrorCode;
use cql::header::{FLAG_COMPRESSED, FLAG_WARNING, Header, RESPONSE};
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::response::metadata::Metadata;
use cql::response::prepared::Prepared;
use cql::response::result::ResultKind;

/// A change of the schema is known to the proxy after this.
const NEWS_US: u64 = 400_000;
/// Longest plain body of an answer.
const PLAIN_MAX: u32 = 16 << 20;

impl World {
    /// A client got a frame.
    pub(crate) fn judge(&mut self, number: usize, frame: &Frame) {
        let Some(plain) = self.plain(number, frame) else { return };
        let Some(driver) = self.drivers.get_mut(number) else { return };
        if plain.header.stream < 0 {
            if plain.opcode() != Some(Opcode::Event) {
                self.blame(format_args!("client {number} got {:?}", plain.header));
            }
            return;
        }
        let stream = plain.header.stream;
        let Some(request) = driver.waiting.remove(&stream) else {
            let told = describe(&plain);
            return self.blame(format_args!(
                "client {number} got an answer on stream {stream}, where it had asked nothing: {told}"
            ));
        };
        let Some(record) = self.ledger.get_mut(request) else { return };
        record.ended = true;
        let record = record.clone();
        self.narrate(format_args!("client {number} hears of {request}: {}", describe(&plain)));
        if plain.opcode() == Some(Opcode::Error) {
            return self.judge_error(number, request, &record, &plain);
        }
        let told_by_liars = self.told_by_liars(&record);
        self.counted.run_elsewhere += u64::from(record.was_unavailable);
        if let Some(record) = self.ledger.get_mut(request) {
            record.acknowledged = true;
            record.tainted = told_by_liars;
        }
        if self.is_forbidden(&record) && !told_by_liars {
            let (who, ask) = (record.credential, &record.ask);
            return self.blame(format_args!("{who:?} may not read that, and has a row: {ask:?}"));
        }
        let wrong = self.judge_answer(number, &record, &plain);
        if let Err(wrong) = wrong
            && !told_by_liars
            && !self.overtaken(&record)
        {
            self.blame(format_args!(
                "client {number} got the wrong answer to {request} ({:?}): {wrong}",
                record.ask
            ));
        } else if record.ask.is_write() && record.ran != 1 && !told_by_liars {
            let ran = record.ran;
            self.blame(format_args!("write {request} is acknowledged and ran {ran} times"));
        }
    }

    /// Whether a hostile node may have answered.
    fn told_by_liars(&self, record: &Record) -> bool {
        self.lied_us >= record.asked_us
    }

    /// Whether the columns of a row may be others than its client holds, for a reason that is not
    /// the proxy's: the request was on its way when the table changed, and a node that knows no
    /// ids of columns do not show.
    fn overtaken(&self, record: &Record) -> bool {
        let all = matches!(&record.ask, RequestKind::Execute(handle, _) if handle.shape == Shape::ReadAll);
        all && !self.scenario.metadata_ids && record.asked_us < self.altered_us + NEWS_US
    }

    /// The frame without compression, if its header is as it should be.
    fn plain(&mut self, number: usize, frame: &Frame) -> Option<Frame> {
        let driver = self.drivers.get(number)?;
        let (version, agreed) = (driver.version, driver.compression);
        let header = frame.header;
        let compressed = header.flags & FLAG_COMPRESSED != 0;
        // Protocol v3 has no warnings.
        let allowed = if version < 4 { FLAG_COMPRESSED } else { FLAG_COMPRESSED | FLAG_WARNING };
        if header.version != RESPONSE | version
            || header.flags & !allowed != 0
            || (compressed && agreed.is_none())
        {
            self.blame(format_args!("client {number} got a frame as {header:?}"));
            return None;
        }
        let mut body = Vec::new();
        if compressed {
            let read = agreed.map(|it| it.decompress(&frame.body, PLAIN_MAX, &mut body));
            if !matches!(read, Some(Ok(()))) {
                self.blame(format_args!("client {number} cannot read {header:?}"));
                return None;
            }
        } else {
            body.clone_from(&frame.body);
        }
        if header.flags & FLAG_WARNING != 0 {
            let Some(message_at) = after_disagreement(&body) else {
                self.blame(format_args!("client {number} got an unknown warning: {body:?}"));
                return None;
            };
            body.drain(..message_at);
        }
        Some(Frame { header: Header { flags: 0, ..header }, body })
    }

    fn judge_error(&mut self, number: usize, request: u64, record: &Record, plain: &Frame) {
        let liars = self.told_by_liars(record);
        let Some((code, text)) = plain.error() else {
            if liars {
                return;
            }
            return self.blame(format_args!("client {number} got a broken ERROR for {request}"));
        };
        if ErrorCode(code) == ErrorCode::UNPREPARED
            && let RequestKind::Execute(handle, _) | RequestKind::Batch(handle, _) = &record.ask
            && let Some(driver) = self.drivers.get_mut(number)
        {
            driver.held.remove(handle);
        }
        if let RequestKind::Use(to) = record.ask
            && let Some(driver) = self.drivers.get_mut(number)
            && driver.way_in != WayIn::Plain
        {
            driver.lost_uses.push(to);
        }
        let is_text = matches!(record.ask, RequestKind::Text(..) | RequestKind::Written);
        if ErrorCode(code) == ErrorCode::UNPREPARED && is_text && !liars {
            return self.blame(format_args!("{request} was no prepared statement: {text}"));
        }
        if let RequestKind::LogIn(credential) = record.ask {
            return self.judge_refused_login(number, credential, ErrorCode(code), &text);
        }
        if let RequestKind::Startup = record.ask {
            if text.starts_with("shardlane has no memory for another client") {
                return self.driver_leaves(number);
            }
            return self.blame(format_args!("client {number} is refused: {text}"));
        }
        if let RequestKind::Refused = record.ask
            && ErrorCode(code) == ErrorCode::INVALID
        {
            return;
        }
        if let RequestKind::UseNowhere = record.ask
            && ErrorCode(code) == ErrorCode::INVALID
        {
            self.counted.keyspaces_refused += 1;
            return;
        }
        // A keyspace that is there was refused: to clients in it in the node's own words.
        let asks = matches!(
            record.ask,
            RequestKind::Use(_)
                | RequestKind::Text(..)
                | RequestKind::TextBatch(..)
                | RequestKind::Prepare(_)
        );
        if self.scenario.has(FaultKind::RefuseUse) && asks && text == GONE {
            return;
        }
        if ErrorCode(code) == ErrorCode::UNPREPARED && self.is_another_by_now(number, record) {
            return;
        }
        if !liars && let Err(wrong) = judge_lost_write(record, &plain.body) {
            return self.blame(format_args!("{request} ({:?}) is lost: {wrong}", record.ask));
        }
        let is_small = Self::is_refused_small(record, &text);
        if !liars && (is_small || !self.may_fail(record, ErrorCode(code))) {
            let ask = &record.ask;
            self.blame(format_args!(
                "{request} ({ask:?}) failed for no reason: {code:#06x} {text}"
            ));
        }
    }

    /// Whether the statement that a client names may be another one in the keyspace that its own
    /// connection is in by now. Nodes give it another id there, so that nothing but the client itself
    /// can prepare it again: without the proxy it gets the same.
    fn is_another_by_now(&mut self, number: usize, record: &Record) -> bool {
        let (RequestKind::Execute(handle, _) | RequestKind::Batch(handle, _)) = &record.ask else {
            return false;
        };
        let driver = self.drivers.get(number).filter(|driver| driver.way_in != WayIn::Plain);
        let Some(driver) = driver else { return false };
        // Its node may not have come to a `USE` yet, or be ahead of what its client has heard.
        let said = [record.switching, self.switching(driver)].into_iter().flatten().map(Some);
        let lost = driver.lost_uses.iter().copied().map(Some);
        let now = [record.keyspace, driver.keyspace].into_iter().chain(said).chain(lost);
        now.collect::<Vec<_>>().into_iter().any(|of| {
            let of = of.and_then(|of| KEYSPACES.get(of)).copied();
            let id = self.cluster.statement_id(&handle.text(), of);
            id.as_ref().map(|id| &id[..]) != record.statement.as_deref()
        })
    }

    /// Whether something that went wrong explains an ERROR.
    fn may_fail(&self, record: &Record, code: ErrorCode) -> bool {
        let scenario = &self.scenario;
        let limits = scenario.limits;
        let harsh = self.trouble_was_harsh();
        let schema = matches!(record.ask, RequestKind::Schema);
        match code {
            ErrorCode::UNPREPARED => {
                let small = limits.catalog_bytes_max < 10_000;
                // Without a free stream nothing is prepared again.
                let narrow = limits.lane_streams_max < 100;
                // A client that comes back to another worker may hold an id that this one does not know.
                let others = scenario.workers > 1;
                small || narrow || others || scenario.has(FaultKind::Schema) || harsh
            }
            ErrorCode::OVERLOADED => {
                let narrow = limits.lane_streams_max < 100;
                narrow || harsh
            }
            // Nodes of a data center that was down have still to hear of each other.
            ErrorCode::UNAVAILABLE if scenario.centers > 1 => true,
            ErrorCode::UNAVAILABLE | ErrorCode::WRITE_TIMEOUT | ErrorCode::READ_TIMEOUT => harsh,
            ErrorCode::BOOTSTRAPPING => scenario.has(FaultKind::Overload) && harsh,
            ErrorCode::SERVER_ERROR => scenario.has(FaultKind::HostileNode) && harsh,
            ErrorCode::UNAUTHORIZED => self.is_forbidden(record),
            // "Role r1 doesn't exist."
            ErrorCode::INVALID if self.is_withdrawn(record.credential) => true,
            ErrorCode::INVALID | ErrorCode::ALREADY_EXISTS => schema,
            _ => false,
        }
    }

    fn judge_answer(
        &mut self,
        number: usize,
        record: &Record,
        plain: &Frame,
    ) -> Result<(), String> {
        let expected = if matches!(record.ask, RequestKind::Options) {
            Opcode::Supported
        } else if matches!(record.ask, RequestKind::Startup) && self.scenario.roles > 0 {
            Opcode::Authenticate
        } else if let RequestKind::LogIn(_) = record.ask
            && plain.opcode() == Some(Opcode::AuthChallenge)
            && self.drivers.get(number).is_some_and(|it| it.way_in == WayIn::Challenged)
        {
            let challenge = Reader::new(&plain.body).bytes().map_err(|error| error.to_string())?;
            self.answer_challenge_of(number, challenge.unwrap_or_default());
            return Ok(());
        } else if matches!(record.ask, RequestKind::LogIn(_)) {
            Opcode::AuthSuccess
        } else if matches!(record.ask, RequestKind::Startup | RequestKind::Register) {
            Opcode::Ready
        } else {
            Opcode::Result
        };
        if plain.opcode() != Some(expected) {
            return Err(describe(plain));
        }
        match &record.ask {
            RequestKind::Options | RequestKind::Register => Ok(()),
            RequestKind::Startup if self.scenario.roles > 0 => {
                self.log_in(number);
                Ok(())
            }
            RequestKind::LogIn(credential) => {
                self.judge_login(number, *credential, record.asked_us)
            }
            RequestKind::System(at) => self.judge_system(*at, &plain.body),
            RequestKind::Startup => {
                if let Some(driver) = self.drivers.get_mut(number) {
                    driver.ready = true;
                }
                Ok(())
            }
            RequestKind::Prepare(handle) => {
                let asked_in = [record.keyspace, record.switching];
                self.judge_prepared(number, *handle, asked_in, &plain.body)
            }
            RequestKind::Execute(handle, key) | RequestKind::Text(handle, key) => {
                judge_result(*handle, *key, record.columns.as_deref(), &plain.body)
            }
            RequestKind::Batch(..) | RequestKind::TextBatch(..) | RequestKind::Written => {
                expect_kind(&plain.body, ResultKind::Void)
            }
            RequestKind::Use(keyspace) => self.judge_use(number, *keyspace, &plain.body),
            RequestKind::Refused => Err("what no node can run was run".to_owned()),
            RequestKind::UseNowhere => Err("a keyspace that is not there was used".to_owned()),
            RequestKind::Schema => expect_kind(&plain.body, ResultKind::SchemaChange),
        }
    }

    fn judge_use(&mut self, number: usize, to: usize, body: &[u8]) -> Result<(), String> {
        expect_kind(body, ResultKind::SetKeyspace)?;
        let name = Reader::new(body.get(4..).unwrap_or_default()).string();
        let name = name.map_err(|error| error.to_string())?;
        if KEYSPACES.get(to) != Some(&name) {
            return Err(format!("keyspace {name}"));
        }
        if let Some(driver) = self.drivers.get_mut(number) {
            driver.keyspace = Some(to);
        }
        Ok(())
    }

    fn judge_prepared(
        &mut self,
        number: usize,
        handle: Handle,
        asked_in: [Option<usize>; 2],
        body: &[u8],
    ) -> Result<(), String> {
        expect_kind(body, ResultKind::Prepared)?;
        let Some(driver) = self.drivers.get_mut(number) else { return Ok(()) };
        let prepared = Prepared::read(driver.version, body).map_err(|error| error.to_string())?;
        let keyspace = KEYSPACES.get(handle.keyspace).copied();
        // A PREPARE behind a `USE` waits for it, and is then in its keyspace, unless it names its own.
        let anywhere = handle.qualified.then_some(None);
        let lost = driver.lost_uses.iter().copied().map(Some);
        let known = asked_in.into_iter().chain(anywhere).chain(lost).any(|of| {
            let of = of.and_then(|of| KEYSPACES.get(of)).copied();
            let known = self.cluster.statement_id(&handle.text(), of);
            known.is_some_and(|known| prepared.id == known)
        });
        if !known {
            return Err(format!("an id that no node gave: {:02x?}", prepared.id));
        }
        if prepared.table.map(|table| table.keyspace) != keyspace {
            return Err(format!("table {:?}", prepared.table));
        }
        if prepared.flags & !1 != 0 {
            return Err(format!("flags {:#x}, of which one is our own", prepared.flags));
        }
        let mut reader = Reader::new(prepared.result_metadata);
        let metadata = Metadata::read(&mut reader).map_err(|error| error.to_string())?;
        let columns: Arc<[String]> =
            metadata.columns.iter().map(|column| column.name.to_owned()).collect();
        driver.held.insert(handle, Held { id: prepared.id.to_vec(), columns });
        Ok(())
    }

    /// A client starts to read slowly, never reads again, or reads again.
    pub(crate) fn start_slow_reads(&mut self, number: usize) {
        self.agenda.plan(self.now_us, Event::DriverReads { driver: number });
    }
}

/// Where the message begins in a body with the one warning that the proxy itself adds: that the nodes
/// did not agree on the schema. `None` when it has others.
fn after_disagreement(body: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(body);
    let is_one = reader.short().ok()? == 1;
    let text = reader.string().ok()?;
    let is_ours = text.starts_with("shardlane: the nodes did not agree on the schema");
    (is_one && is_ours).then(|| 2 + 2 + text.len())
}
