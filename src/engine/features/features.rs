//! All features of an engine, which the engine lets act one after the other.

use crate::engine::features::agreement::Agreement;
use crate::engine::features::column_changes::ColumnChanges;
use crate::engine::features::console::Console;
use crate::engine::features::hedging::Hedging;
use crate::engine::features::local::LocalAnswers;
use crate::engine::features::local_traces::LocalTraces;
use crate::engine::features::logins::Logins;
use crate::engine::features::memory::MemoryTurns;
use crate::engine::features::newcomers::Newcomers;
use crate::engine::features::pages::PageMemory;
use crate::engine::features::prepared_statements::PreparedStatements;
use crate::engine::features::remote::Remote;
use crate::engine::features::reprepare::Reprepare;
use crate::engine::features::retry_budget::RetryBudgets;
use crate::engine::features::shapes::TextShapes;
use crate::engine::features::stalls::Stalls;
use crate::engine::features::tablet_reports::TabletReports;
use crate::engine::features::tablet_samples::TabletSamples;
use crate::engine::features::unknown_ids::UnknownIds;

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
