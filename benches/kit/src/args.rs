//! Tiny `--key value` / `--flag` parser: no dependency, rejects unknown options.

use std::collections::HashMap;

/// The options given, and which of them the program asked for.
pub struct Args {
    vals: HashMap<String, Vec<String>>,
    known: Vec<String>,
    usage: &'static str,
}

impl Args {
    /// `flags` are options that take no value.
    pub fn parse(usage: &'static str, flags: &[&str]) -> Self {
        let mut vals: HashMap<String, Vec<String>> = HashMap::new();
        let mut it = std::env::args().skip(1);
        while let Some(a) = it.next() {
            if a == "--help" || a == "-h" {
                println!("{usage}");
                std::process::exit(0);
            }
            let Some(k) = a.strip_prefix("--") else {
                die(usage, &format!("unexpected argument {a}"))
            };
            let (k, v) = match k.split_once('=') {
                Some((k, v)) => (k.to_string(), v.to_string()),
                None if flags.contains(&k) => (k.to_string(), "true".to_string()),
                None => match it.next() {
                    Some(v) => (k.to_string(), v),
                    None => die(usage, &format!("--{k} needs a value")),
                },
            };
            vals.entry(k).or_default().push(v);
        }
        Self { vals, known: vec![], usage }
    }

    fn raw(&mut self, k: &str) -> Option<&Vec<String>> {
        self.known.push(k.to_string());
        self.vals.get(k)
    }

    /// The value of `--k`, if given.
    pub fn opt<T: std::str::FromStr>(&mut self, k: &str) -> Option<T> {
        let usage = self.usage;
        let v = self.raw(k)?.last().unwrap().replace('_', "");
        match v.parse() {
            Ok(v) => Some(v),
            Err(_) => die(usage, &format!("bad value for --{k}: {v}")),
        }
    }

    /// The value of `--k`, or `default`.
    pub fn get<T: std::str::FromStr>(&mut self, k: &str, default: T) -> T {
        self.opt(k).unwrap_or(default)
    }

    /// The value of `--k` as it stands, underscores and all.
    pub fn string(&mut self, k: &str) -> Option<String> {
        self.raw(k).map(|v| v.last().unwrap().clone())
    }

    /// Every value of a repeatable `--k`.
    pub fn list(&mut self, k: &str) -> Vec<String> {
        self.raw(k).cloned().unwrap_or_default()
    }

    /// Whether the flag `--k` is on.
    pub fn flag(&mut self, k: &str) -> bool {
        self.raw(k).map(|v| v.last().unwrap() != "false").unwrap_or(false)
    }

    /// Call after the last getter: refuses unknown options.
    pub fn finish(&self) {
        for k in self.vals.keys() {
            if !self.known.contains(k) {
                die(self.usage, &format!("unknown option --{k}"));
            }
        }
    }
}

/// Says what is wrong and how to do it right, and ends with status 64.
pub fn die(usage: &str, msg: &str) -> ! {
    eprintln!("error: {msg}\n{usage}");
    std::process::exit(64);
}
