//! All features of an engine, which the engine lets act one after the other.

use crate::engine::features::agreement::Agreement;
use crate::engine::features::clients::logins::Logins;
use crate::engine::features::clients::memory::MemoryTurns;
use crate::engine::features::clients::newcomers::Newcomers;
use crate::engine::features::lanes::remote::Remote;
use crate::engine::features::lanes::stalls::Stalls;
use crate::engine::features::local::console::Console;
use crate::engine::features::local::local_requests::LocalAnswers;
use crate::engine::features::local::local_traces::LocalTraces;
use crate::engine::features::repeats::hedging::Hedging;
use crate::engine::features::repeats::retry_budget::RetryBudgets;
use crate::engine::features::statements::column_changes::ColumnChanges;
use crate::engine::features::statements::pages::PageMemory;
use crate::engine::features::statements::prepared_statements::PreparedStatements;
use crate::engine::features::statements::reprepare::Reprepare;
use crate::engine::features::statements::shapes::TextShapes;
use crate::engine::features::statements::unknown_ids::UnknownIds;
use crate::engine::features::tablets::tablet_reports::TabletReports;
use crate::engine::features::tablets::tablet_samples::TabletSamples;

/// The features that have state.
#[derive(Debug, Default)]
pub(crate) struct Features {
    pub(crate) agreement: Agreement,
    pub(crate) column_changes: ColumnChanges,
    pub(crate) console: Console,
    pub(crate) hedging: Hedging,
    pub(crate) local: LocalAnswers,
    pub(crate) local_traces: LocalTraces,
    pub(crate) logins: Logins,
    pub(crate) memory: MemoryTurns,
    pub(crate) newcomers: Newcomers,
    pub(crate) pages: PageMemory,
    pub(crate) prepared_statements: PreparedStatements,
    pub(crate) remote: Remote,
    pub(crate) reprepare: Reprepare,
    pub(crate) retry_budgets: RetryBudgets,
    pub(crate) stalls: Stalls,
    pub(crate) shapes: TextShapes,
    pub(crate) tablet_reports: TabletReports,
    pub(crate) tablet_samples: TabletSamples,
    pub(crate) unknown_ids: UnknownIds,
}
