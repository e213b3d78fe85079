//! The tables that are answered here, and all that a statement about them can ask for.

use crate::facade::answer::{self, Answer};
use crate::facade::outputs::{Outputs, put_prepared};
use crate::facade::refusal::Refusal;
use crate::facade::tables::table_name::VirtualTableName;
use crate::facade::tables::virtual_table::{Viewpoint, VirtualTable};
use crate::facade::text::select::Select;
use cql::request::parameters::Parameters;
use cql::response::metadata::MetadataStyle;

/// The tables that are answered here.
#[derive(Debug)]
pub struct Facade {
    style: MetadataStyle,
    tables: Vec<Box<dyn VirtualTable>>,
    facts: Facts,
}

/// What is said of the cluster outside its tables.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// Its version of CQL, for SUPPORTED.
    pub cql_version: Option<String>,
    /// The schema version that the watched node reported.
    pub schema_version: Option<[u8; 16]>,
}

impl Facade {
    /// Tables, shown with metadata as the cluster's nodes write it.
    #[must_use]
    pub fn new(style: MetadataStyle, facts: Facts, tables: Vec<Box<dyn VirtualTable>>) -> Self {
        Self { style, tables, facts }
    }

    /// What is said of the cluster outside its tables.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// How the cluster's nodes write metadata.
    #[must_use]
    pub fn style(&self) -> MetadataStyle {
        self.style
    }

    /// The answer to `select`, whose size is known before it is written.
    pub fn answer<'a>(
        &'a self,
        select: &'a Select,
        parameters: &Parameters<'a>,
        asked: &'a Viewpoint<'a>,
    ) -> Result<Answer<'a>, Refusal> {
        Answer::new(self.table(select.table)?, self.style, select, parameters, asked)
    }

    /// The message of the RESULT Prepared of `select` under `id`, for protocol `version`.
    pub fn prepare(&self, select: &Select, id: &[u8; 16], version: u8) -> Result<Vec<u8>, Refusal> {
        let table = self.table(select.table)?;
        let outputs = Outputs::new(table, select)?;
        answer::check(table, select)?;
        Ok(put_prepared(&outputs, self.style, id, version))
    }

    fn table(&self, name: VirtualTableName) -> Result<&dyn VirtualTable, Refusal> {
        let table = self.tables.iter().find(|table| table.name() == name);
        table.map(|table| &**table).ok_or_else(|| Refusal::no_such_table(name.table))
    }
}
