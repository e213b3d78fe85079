//! One setting: its name, what it takes, which field holds it, and why it exists.
//!
//! A setting is defined once, as a row of [`crate::config::table`]. The reading of the file, the
//! environment and the flags, `--help`, `check`, and the generated files of `config/` and `docs/`
//! all follow from the row.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::config::settings::Settings;

/// Seconds of a day, the longest time that makes sense in most settings.
pub(crate) const DAY_S: u64 = 86_400;
/// The same in milliseconds.
pub(crate) const DAY_MS: u64 = DAY_S * 1_000;

/// Every environment variable begins with this; the key follows in capitals, dots as underscores.
const VARIABLE_PREFIX: &str = "SHARDLANE_";

/// One thing that an operator can set.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file: `table.name`, or `name` alone before all tables.
    pub key: &'static str,
    /// Its flag, if it has one. The flag's name is the key with dashes, unless [`Flag::named`].
    pub flag: Option<Flag>,
    /// What it takes, and the field that holds it. The field's own default is the setting's.
    pub kind: SettingKind,
    /// Where a process that runs could take a new value.
    pub reload: Reload,
    /// What it is, as one sentence without the full stop: the text of `--help`.
    pub what: &'static str,
    /// Why it exists, why its default is what it is, and what happens at the bound.
    pub why: &'static str,
    /// A value as TOML, for the documentation of a setting that is unset by default.
    pub example: &'static str,
}

/// How a setting is given on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its short form.
    pub short: Option<char>,
    /// What stands for its value in `--help`.
    pub value_name: &'static str,
    /// Whether it may be given several times; the values are then joined by commas.
    pub repeats: bool,
    /// Its name, where another one than the key is known from other sidecars.
    pub name: Option<&'static str>,
}

impl Flag {
    /// A flag that is given once.
    #[must_use]
    pub const fn once(value_name: &'static str) -> Self {
        Self { short: None, value_name, repeats: false, name: None }
    }

    /// A flag that may be given several times.
    #[must_use]
    pub const fn repeated(value_name: &'static str) -> Self {
        Self { short: None, value_name, repeats: true, name: None }
    }

    /// The same under a name that other sidecars use.
    #[must_use]
    pub const fn named(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// The same with a short form.
    #[must_use]
    pub const fn or(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }
}

/// Where a process that runs takes a new value of a setting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reload {
    /// The value is looked up at each use.
    AtOnce,
    /// The value is used when a connection is opened; connections that are open keep the old one.
    Connections,
    /// Sockets, threads, memory or the shape of the pools depend on it from the start.
    Restart,
}

/// What a setting takes, and which field holds it.
#[derive(Debug)]
pub enum SettingKind {
    /// A whole number from `min` to `max`.
    Number {
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
        /// The field.
        field: fn(&mut Settings) -> Number<'_>,
    },
    /// True or false.
    Switch {
        /// The field.
        field: fn(&mut Settings) -> &mut bool,
    },
    /// A name that may be absent.
    Name {
        /// What is taken, as in "give …".
        takes: &'static str,
        /// The field.
        field: fn(&mut Settings) -> &mut Option<String>,
    },
    /// The path of a file that may be absent.
    File {
        /// What is taken, as in "give …".
        takes: &'static str,
        /// Whether the file holds a secret.
        is_secret: bool,
        /// The field.
        field: fn(&mut Settings) -> &mut Option<PathBuf>,
    },
    /// Anything else that is written as text.
    Text {
        /// How the text looks in the file.
        form: Form,
        /// What is taken, as in "give …".
        takes: &'static str,
        /// Reads a text into its field, or lists what is wrong with it.
        read: fn(&str, &mut Settings) -> Result<(), Reasons>,
        /// The field as text; empty when unset.
        show: fn(&Settings) -> String,
    },
}

/// Why a text cannot be taken: one reason for each wrong part.
pub type Reasons = Vec<String>;

/// How a text looks in the file. Flags and variables separate the entries of a list by commas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// One text.
    Plain,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A list of texts.
    List,
    /// A list of these words.
    WordList(&'static [&'static str]),
    /// A list of tables with the keys `from`, `to` and `shard_aware_port`.
    Routes,
}

/// The field of a number, whatever its width and unit.
#[derive(Debug)]
pub enum Number<'a> {
    /// 16 bits.
    U16(&'a mut u16),
    /// 32 bits.
    U32(&'a mut u32),
    /// 64 bits.
    U64(&'a mut u64),
    /// A length.
    Usize(&'a mut usize),
    /// A port that may be absent; the setting is then 0.
    Port(&'a mut Option<u16>),
    /// Microseconds, where the setting counts milliseconds.
    MillisAsMicros(&'a mut u64),
    /// Microseconds, where the setting counts seconds.
    SecondsAsMicros(&'a mut u64),
    /// The first port of a range.
    First(&'a mut RangeInclusive<u16>),
    /// The last port of a range.
    Last(&'a mut RangeInclusive<u16>),
}

impl Number<'_> {
    /// The value, in the setting's unit.
    #[must_use]
    pub fn get(&self) -> u64 {
        match self {
            Self::U16(field) => u64::from(**field),
            Self::U32(field) => u64::from(**field),
            Self::U64(field) => **field,
            Self::Usize(field) => u64::try_from(**field).unwrap_or(u64::MAX),
            Self::Port(field) => u64::from(field.unwrap_or(0)),
            Self::MillisAsMicros(field) => **field / 1_000,
            Self::SecondsAsMicros(field) => **field / 1_000_000,
            Self::First(field) => u64::from(*field.start()),
            Self::Last(field) => u64::from(*field.end()),
        }
    }

    /// Sets the value, given in the setting's unit. The setting's range keeps it within the field.
    pub fn set(&mut self, value: u64) {
        let port = || u16::try_from(value).unwrap_or(u16::MAX);
        match self {
            Self::U16(field) => **field = port(),
            Self::U32(field) => **field = u32::try_from(value).unwrap_or(u32::MAX),
            Self::U64(field) => **field = value,
            Self::Usize(field) => **field = usize::try_from(value).unwrap_or(usize::MAX),
            Self::Port(field) => **field = Some(port()).filter(|port| *port != 0),
            Self::MillisAsMicros(field) => **field = value.saturating_mul(1_000),
            Self::SecondsAsMicros(field) => **field = value.saturating_mul(1_000_000),
            Self::First(field) => **field = port()..=*field.end(),
            Self::Last(field) => **field = *field.start()..=port(),
        }
    }
}

impl Setting {
    /// A row's fields that most rows leave out.
    pub const PLAIN: Self = Self {
        key: "",
        flag: None,
        kind: SettingKind::Number {
            min: 0,
            max: 0,
            field: |settings| Number::U16(&mut settings.port),
        },
        reload: Reload::Restart,
        what: "",
        why: "",
        example: "",
    };

    /// The table that the file has it in, if any, and its name there.
    #[must_use]
    pub fn place(&self) -> (Option<&'static str>, &'static str) {
        match self.key.split_once('.') {
            Some((table, name)) => (Some(table), name),
            None => (None, self.key),
        }
    }

    /// Its environment variable: `limits.clients_max` has `SHARDLANE_LIMITS_CLIENTS_MAX`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key.to_uppercase().replace('.', "_"))
    }

    /// The long name that its flag has, or would have: `bind_tls.cert` has `bind-tls-cert`.
    #[must_use]
    pub fn flag_name(&self) -> String {
        if let Some(name) = self.flag.and_then(|flag| flag.name) {
            return name.to_owned();
        }
        self.key.replace(['_', '.'], "-")
    }

    /// What its number counts, as the key's ending says; empty where the key itself says it.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        let (_, name) = self.place();
        let endings = [
            ("_bytes_max", "bytes"),
            ("_bytes", "bytes"),
            ("_ms", "milliseconds"),
            ("_per_s", "per second"),
            ("_s", "seconds"),
            ("percent", "percent"),
        ];
        let unit = endings.into_iter().find(|(ending, _)| name.ends_with(ending));
        unit.map_or("", |(_, unit)| unit)
    }

    /// What would be right, as in "give …".
    #[must_use]
    pub fn takes(&self) -> String {
        match &self.kind {
            SettingKind::Number { min, max, .. } => format!("a whole number from {min} to {max}"),
            SettingKind::Switch { .. } => "true or false".to_owned(),
            SettingKind::Name { takes, .. }
            | SettingKind::File { takes, .. }
            | SettingKind::Text { takes, .. } => (*takes).to_owned(),
        }
    }

    /// Its value as text, in the form that flags and variables take; empty when unset.
    #[must_use]
    pub fn show(&self, settings: &mut Settings) -> String {
        match &self.kind {
            SettingKind::Number { field, .. } => field(settings).get().to_string(),
            SettingKind::Switch { field } => field(settings).to_string(),
            SettingKind::Name { field, .. } => field(settings).clone().unwrap_or_default(),
            SettingKind::File { field, .. } => field(settings)
                .as_deref()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            SettingKind::Text { show, .. } => show(settings),
        }
    }

    /// Reads `text` into its field. The errors say why the text cannot be taken; what is wrong is
    /// then left out, or the field stays as it was.
    pub fn read(&self, text: &str, settings: &mut Settings) -> Result<(), Reasons> {
        match &self.kind {
            SettingKind::Number { min, max, field } => {
                let number = read_number(text, *min, *max)?;
                field(settings).set(number);
            }
            SettingKind::Switch { field } => {
                *field(settings) = match text {
                    "true" => true,
                    "false" => false,
                    _ => return Err(vec!["neither true nor false".to_owned()]),
                };
            }
            SettingKind::Name { field, .. } => *field(settings) = Some(read_name(text)?),
            SettingKind::File { field, .. } => {
                *field(settings) = Some(PathBuf::from(read_name(text)?));
            }
            SettingKind::Text { read, .. } => return read(text, settings),
        }
        Ok(())
    }

    /// `value` as it may be shown. Where the path of a secret belongs, people may have put the
    /// secret itself: what does not look like a path is left out.
    #[must_use]
    pub fn shown<'a>(&self, value: &'a str) -> Cow<'a, str> {
        match self.kind {
            SettingKind::File { is_secret: true, .. }
                if !value.is_empty() && !value.contains('/') =>
            {
                "…".into()
            }
            SettingKind::File { .. }
            | SettingKind::Number { .. }
            | SettingKind::Switch { .. }
            | SettingKind::Name { .. }
            | SettingKind::Text { .. } => value.into(),
        }
    }
}

/// A whole number within a range. Underscores may group its digits, as in TOML.
fn read_number(text: &str, min: u64, max: u64) -> Result<u64, Reasons> {
    let is_whole = text.strip_prefix('-').unwrap_or(text);
    let is_whole = is_whole.contains(|c: char| c.is_ascii_digit())
        && is_whole.chars().all(|c| c.is_ascii_digit() || c == '_');
    if !is_whole {
        return Err(vec!["not a whole number".to_owned()]);
    }
    let number = text.replace('_', "").parse::<u64>().ok();
    let number = number.filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| vec!["out of range".to_owned()])
}

/// A name or a path.
fn read_name(text: &str) -> Result<String, Reasons> {
    match text {
        "" => Err(vec!["empty".to_owned()]),
        text if text.contains('\0') => Err(vec!["it has a NUL character in it".to_owned()]),
        text => Ok(text.to_owned()),
    }
}

/// Keeps what one text was read as.
pub fn keep<T>(read: Result<T, String>, field: &mut T) -> Result<(), Reasons> {
    *field = read.map_err(|reason| vec![reason])?;
    Ok(())
}

/// Reads the entries of a list, and keeps those that can be taken. An empty text is an empty list.
pub fn keep_each<T>(
    text: &str,
    field: &mut Vec<T>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<(), Reasons> {
    let mut reasons = Vec::new();
    field.clear();
    for entry in text.split(',').map(str::trim).filter(|_| !text.is_empty()) {
        match read(entry) {
            _ if entry.is_empty() => reasons.push("an empty entry".to_owned()),
            Ok(entry) => field.push(entry),
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

/// The entries of a list as one text.
pub fn joined<T: ToString>(entries: &[T]) -> String {
    entries.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
