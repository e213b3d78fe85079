//! Reads the file: each key becomes the text of its setting, and every fault is kept with its place.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::config::error::ConfigError;
use crate::config::origin::{FilePosition, SettingOrigin};
use crate::config::setting::{Form, Setting, SettingKind};
use crate::config::suggest;
use crate::config::table;

/// What a file says.
#[derive(Debug, Default)]
pub struct FileText {
    /// The text of each setting by its key, as a flag would give it, and where it stands.
    pub values: BTreeMap<&'static str, (String, FilePosition)>,
    /// Each fault, in the order of the file.
    pub faults: Vec<ConfigError>,
    /// Whether all of its keys are known: if not, one of them may be a misspelt one.
    pub is_whole: bool,
}

/// Reads the text of the file at `path`. A line that is no TOML is a fault, and the rest is read
/// nevertheless, so that one look finds every fault. No fault shows a value but of a known setting:
/// what stands in the wrong place may be a password.
#[must_use]
pub fn read(text: &str, path: &Path) -> FileText {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut walk = Walk {
        text,
        path,
        broken: Vec::new(),
        values: BTreeMap::new(),
        found: Vec::new(),
        is_whole: errors.is_empty(),
    };
    let mut errors: Vec<_> = errors
        .iter()
        .map(|error| (error.span().map_or(0, |span| span.start), error.message()))
        .collect();
    errors.sort_unstable();
    for (at, message) in errors {
        walk.add_syntax_error(at, message);
    }
    walk.enter(root.get_ref(), None);
    walk.found.sort_by_key(|(at, _)| *at);
    let faults = walk.found.into_iter().map(|(_, fault)| fault).collect();
    FileText { values: walk.values, faults, is_whole: walk.is_whole }
}

/// A walk over the file's tables.
struct Walk<'a> {
    text: &'a str,
    path: &'a Path,
    /// Bytes of lines that are no TOML: the parser's guess at what they mean is not used.
    broken: Vec<RangeInclusive<usize>>,
    values: BTreeMap<&'static str, (String, FilePosition)>,
    /// Each fault with the byte at which it is.
    found: Vec<(usize, ConfigError)>,
    is_whole: bool,
}

impl Walk<'_> {
    /// Only the first error of a line counts; the parser finds the others by what it guessed.
    fn add_syntax_error(&mut self, at: usize, message: &str) {
        if self.broken.iter().any(|line| line.contains(&at)) {
            return;
        }
        let line = line_around(self.text, at);
        let words = self.text.get(line.clone()).unwrap_or_default().trim();
        // Without its header, a table's keys would be taken for those of the table above.
        let is_header = words.starts_with('[');
        let end = if is_header { table_end(self.text, line.end) } else { line.end };
        let shown = shown_line(words);
        self.add(at, format!("{shown}{}", message.trim_end()));
        self.broken.push(line.start..=end);
    }

    /// Goes through a table of the file, or through the file itself.
    fn enter(&mut self, entries: &DeTable<'_>, table: Option<&str>) {
        for (key, value) in entries {
            let span = key.span().start..value.span().end.max(key.span().end);
            let name = key.get_ref().as_ref();
            let path = table.map_or_else(|| name.to_owned(), |table| format!("{table}.{name}"));
            let is_table = table.is_none() && table::is_table(name);
            match (table::find(&path), value.get_ref()) {
                (None, DeValue::Table(inner)) if is_table => self.enter(inner, Some(name)),
                _ if self.is_broken(&span) => {}
                (Some(setting), value_of) => self.take(setting, value_of, &value.span()),
                (None, _) if is_table => self.add(
                    value.span().start,
                    format!(
                        "`{name}` is a table; give its name in brackets on a line, as [{name}], and \
                         its keys on the lines below"
                    ),
                ),
                (None, value_of) => {
                    let suggestion = suggest::key(&path, matches!(value_of, DeValue::Table(_)));
                    self.is_whole = false;
                    self.add(key.span().start, suggest::unknown(&path, suggestion.as_deref()));
                }
            }
        }
    }

    fn is_broken(&self, span: &Range<usize>) -> bool {
        self.broken.iter().any(|line| *line.start() <= span.end && span.start <= *line.end())
    }

    /// Keeps the text of a setting, or the fault of its value.
    fn take(&mut self, setting: &'static Setting, value: &DeValue<'_>, span: &Range<usize>) {
        let text = match (&setting.kind, value) {
            (SettingKind::Number { .. }, DeValue::Integer(number)) => {
                let digits = i128::from_str_radix(number.as_str(), number.radix());
                Ok(digits.map_or_else(|_| number.to_string(), |number| number.to_string()))
            }
            (SettingKind::Switch { .. }, DeValue::Boolean(switch)) => Ok(switch.to_string()),
            (
                SettingKind::Text { form: Form::List | Form::WordList(_), .. },
                DeValue::Array(items),
            ) => texts(items),
            (SettingKind::Text { form: Form::Routes, .. }, DeValue::Array(items)) => {
                self.routes(items)
            }
            (
                SettingKind::Name { .. }
                | SettingKind::File { .. }
                | SettingKind::Text { form: Form::Plain | Form::Words(_), .. },
                DeValue::String(text),
            ) => Ok(text.to_string()),
            _ => Err((span.start, shown(value))),
        };
        match text {
            Ok(text) => {
                self.values.insert(setting.key, (text, self.place(span.start)));
            }
            Err((at, value)) => {
                let (reason, form) = toml_form(setting);
                let fault = ConfigError::Value {
                    key: setting.key,
                    value: setting.shown(&value).into_owned(),
                    origin: SettingOrigin::File(self.place(at)),
                    reason: reason.to_owned(),
                    right: format!("give {}{form}", setting.takes()),
                };
                self.found.push((at, fault));
            }
        }
    }

    /// The entries of `translate`, as flags would write them.
    fn routes(&mut self, items: &DeArray<'_>) -> Result<String, (usize, String)> {
        let mut texts = Vec::new();
        for item in items {
            let at = item.span().start;
            let DeValue::Table(entry) = item.get_ref() else {
                return Err((at, shown(item.get_ref())));
            };
            let (mut from, mut to, mut port) = (None, None, String::new());
            for (key, value) in entry {
                match (key.get_ref().as_ref(), value.get_ref()) {
                    ("from", DeValue::String(text)) => from = Some(text),
                    ("to", DeValue::String(text)) => to = Some(text),
                    ("shard_aware_port", DeValue::Integer(number)) => port = format!("/{number}"),
                    ("from" | "to" | "shard_aware_port", value_of) => {
                        return Err((value.span().start, shown(value_of)));
                    }
                    (other, _) => self.add(
                        key.span().start,
                        format!(
                            "there is no key `{other}` in an entry of translate; its keys are from, \
                             to and shard_aware_port"
                        ),
                    ),
                }
            }
            let (Some(from), Some(to)) = (from, to) else {
                return Err((at, shown(item.get_ref())));
            };
            texts.push(format!("{from}={to}{port}"));
        }
        Ok(texts.join(","))
    }

    fn add(&mut self, at: usize, detail: String) {
        self.found.push((at, ConfigError::File { place: self.place(at), detail }));
    }

    fn place(&self, at: usize) -> FilePosition {
        let before = self.text.get(..at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        FilePosition {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

/// The entries of a list of texts, joined by commas; or the first one that is no text.
fn texts(items: &DeArray<'_>) -> Result<String, (usize, String)> {
    let text = |item: &Spanned<DeValue<'_>>| {
        let text = item.get_ref().as_str().map(str::to_owned);
        text.ok_or_else(|| (item.span().start, shown(item.get_ref())))
    };
    Ok(items.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(","))
}

/// A value as a fault shows it.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(switch) => switch.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "[…]".to_owned(),
        DeValue::Table(_) => "{…}".to_owned(),
    }
}

/// What a value of another type is not, and how TOML writes what would be right.
fn toml_form(setting: &Setting) -> (&'static str, &'static str) {
    match setting.kind {
        SettingKind::Number { .. } => ("not a whole number", ", without quotes"),
        SettingKind::Switch { .. } => ("neither true nor false", ", without quotes"),
        SettingKind::Text { form: Form::List | Form::WordList(_), .. } => {
            ("not a list of texts", r#", in a list: ["…", "…"]"#)
        }
        SettingKind::Text { form: Form::Routes, .. } => (
            "not a list of tables",
            r#", in a list: [{ from = "…", to = "…", shard_aware_port = … }]"#,
        ),
        SettingKind::Name { .. }
        | SettingKind::File { .. }
        | SettingKind::Text { form: Form::Plain | Form::Words(_), .. } => {
            ("not a text", ", in quotes")
        }
    }
}

/// The bytes of the line that byte `at` is in, without its end.
fn line_around(text: &str, at: usize) -> Range<usize> {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end = after.find('\n').map_or(text.len(), |newline| before.len() + newline);
    start..end
}

/// Where the table ends whose header ends at byte `at`: before the next header.
fn table_end(text: &str, at: usize) -> usize {
    let mut end = at;
    for line in text.get(at..).unwrap_or_default().split_inclusive('\n') {
        if line.trim_start().starts_with('[') {
            return end.saturating_sub(1);
        }
        end += line.len();
    }
    end
}

/// What a fault shows of a line: its key or its header. The rest may be a password.
fn shown_line(line: &str) -> String {
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-. []".contains(c))
    };
    match line.split_once('=') {
        Some((key, _)) if is_name(key) => format!("at `{} = …`: ", key.trim()),
        None if line.starts_with('[') && is_name(line) => format!("at `{line}`: "),
        Some(_) | None => String::new(),
    }
}

#[cfg(test)]
mod tests;
