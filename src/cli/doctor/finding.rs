//! What the doctor found: one line each, and what to do about it.

use std::io::{self, Write};

use serde_json::{Value, json};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// It works, and could be better.
    Warn,
    /// `run` would not work well, or not at all.
    Bad,
}

impl Level {
    /// The word at the beginning of the line.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "BAD",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is about, one word.
    pub topic: &'static str,
    /// What was found, with the value that was looked at.
    pub text: String,
    /// What to do; absent when all is well.
    pub hint: Option<String>,
}

/// Everything that was found, in the order in which it was looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Findings(pub Vec<Finding>);

impl Findings {
    /// Something is as it should be.
    pub(crate) fn ok(&mut self, topic: &'static str, text: impl Into<String>) {
        self.0.push(Finding { level: Level::Ok, topic, text: text.into(), hint: None });
    }

    /// Something could be better.
    pub(crate) fn warn(
        &mut self,
        topic: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Level::Warn, topic, text, hint);
    }

    /// Something has to be mended.
    pub(crate) fn bad(
        &mut self,
        topic: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Level::Bad, topic, text, hint);
    }

    /// Something that is as bad as `level`.
    pub(crate) fn add(
        &mut self,
        level: Level,
        topic: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (mut text, hint) = (text.into(), hint.into());
        // Errors of TLS name their hint, as they stand alone elsewhere.
        if let Some(rest) = text.strip_suffix(&hint).and_then(|rest| rest.strip_suffix("; ")) {
            text.truncate(rest.len());
        }
        self.0.push(Finding { level, topic, text, hint: Some(hint) });
    }

    /// Adds what was found elsewhere.
    pub(crate) fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// Counts the findings of a level.
    #[must_use]
    pub(crate) fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }

    /// Whether nothing has to be mended.
    #[must_use]
    pub(crate) fn is_well(&self) -> bool {
        self.count(Level::Bad) == 0
    }

    /// Prints them for people, and how many of which kind there are.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for Finding { level, topic, text, hint } in &self.0 {
            writeln!(out, "{:4}  {topic:9}  {text}", level.word())?;
            if let Some(hint) = hint {
                writeln!(out, "      {:9}  {hint}", "-> fix")?;
            }
        }
        let [ok, warn, bad] = [Level::Ok, Level::Warn, Level::Bad].map(|level| self.count(level));
        writeln!(out, "{ok} ok, {warn} to improve, {bad} to mend")
    }

    /// All of them for programs.
    #[must_use]
    pub(crate) fn json(&self) -> Value {
        let one = |finding: &Finding| {
            json!({
                "level": finding.level.word().to_ascii_lowercase(),
                "topic": finding.topic,
                "text": finding.text,
                "fix": finding.hint,
            })
        };
        let findings: Vec<Value> = self.0.iter().map(one).collect();
        json!({ "well": self.is_well(), "findings": findings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_printed_once() {
        let mut findings = Findings::default();
        findings.bad("tls", "expired; renew it", "renew it");
        assert_eq!(findings.0[0].text, "expired");
        findings.warn("tls", "renew it", "renew it");
        assert_eq!(findings.0[1].text, "renew it");
    }

    #[test]
    fn each_finding_is_a_line_and_its_hint_the_next() {
        let mut findings = Findings::default();
        findings.ok("version", "ScyllaDB 2026.3.0");
        findings.warn("clock", "2 s late", "run NTP");
        assert!(findings.is_well());
        findings.bad("node", "mute", "start it");
        assert!(!findings.is_well());
        let mut out = Vec::new();
        findings.print(&mut out).unwrap();
        let expected = "ok    version    ScyllaDB 2026.3.0\n\
                        warn  clock      2 s late\n      \
                        -> fix     run NTP\n\
                        BAD   node       mute\n      \
                        -> fix     start it\n\
                        1 ok, 1 to improve, 1 to mend\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(findings.json()["findings"][2]["level"], "bad");
    }
}
