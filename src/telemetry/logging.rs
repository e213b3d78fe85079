//! Logs to stderr, as text for people or as JSON for collectors.

use std::fmt;
use std::io;
use std::str::FromStr;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("no such format".to_owned()),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// What is logged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// A level, then exceptions for single modules: `info,shardlane::net=debug`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// Says what is wrong with a level. The filter itself would take a misspelt level for the name of
/// a module and then log nothing.
pub fn check_level(text: &str) -> Result<(), String> {
    for (index, part) in text.split(',').map(str::trim).enumerate() {
        let level = match part.split_once('=') {
            Some((module, level)) if index > 0 && !module.is_empty() => level,
            Some(_) => return Err(format!("`{part}` stands where a plain level should")),
            None if index > 0 => return Err(format!("`{part}` lacks `module=`")),
            None => part,
        };
        if !matches!(level, "off" | "error" | "warn" | "info" | "debug" | "trace") {
            return Err(format!("`{level}` is not a level"));
        }
    }
    Ok(())
}

/// Starts to log to stderr. Stdout stays free for what a command was asked to print.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    let init = match settings.format {
        LogFormat::Text => builder(settings, io::stderr).finish().try_init(),
        LogFormat::Json => {
            builder(settings, io::stderr).json().flatten_event(true).finish().try_init()
        }
    };
    init.map_err(|error| error.to_string())
}

type Builder<W> = tracing_subscriber::fmt::SubscriberBuilder<
    tracing_subscriber::fmt::format::DefaultFields,
    tracing_subscriber::fmt::format::Format,
    EnvFilter,
    W,
>;

fn builder<W>(settings: &LogSettings, writer: W) -> Builder<W>
where
    W: for<'a> MakeWriter<'a> + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&settings.level))
        .with_ansi(false)
        .with_writer(writer)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::mpsc;

    use tracing::subscriber::with_default;

    use super::*;

    #[derive(Clone)]
    struct Pipe(Arc<mpsc::SyncSender<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe() -> (Pipe, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::sync_channel(64);
        (Pipe(Arc::new(sender)), receiver)
    }

    fn settings(level: &str) -> LogSettings {
        LogSettings { format: LogFormat::Json, level: level.to_owned() }
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields() {
        let (writer, lines) = pipe();
        let subscriber =
            builder(&settings("info"), move || writer.clone()).json().flatten_event(true).finish();
        with_default(subscriber, || {
            tracing::info!(node = 3, "lane up");
            tracing::debug!("too quiet to be told");
        });
        let text = lines.try_iter().flatten().collect::<Vec<_>>();
        let line: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(line["message"], "lane up");
        assert_eq!(line["node"], 3);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn a_module_may_speak_louder_than_the_rest() {
        let (writer, lines) = pipe();
        let subscriber =
            builder(&settings("warn,shardlane=debug"), move || writer.clone()).finish();
        with_default(subscriber, || {
            tracing::debug!("heard");
            tracing::info!(target: "hyper", "not heard");
        });
        let text = String::from_utf8(lines.try_iter().flatten().collect()).unwrap();
        assert!(text.contains("heard") && !text.contains("not heard"), "{text}");
    }

    #[test]
    fn a_misspelt_level_is_a_fault() {
        for good in ["info", "off", "warn,shardlane::net=debug", "info, hyper=off"] {
            assert_eq!(check_level(good), Ok(()), "{good}");
        }
        for bad in ["", "verbose", "INFO", "a=info", "info,debug", "info,a=loud", "info,=debug"] {
            assert!(check_level(bad).is_err(), "{bad} was taken");
        }
    }
}
