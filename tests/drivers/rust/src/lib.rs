//! What the programs share: arguments, the data that they write, and how a section's end is printed.

use std::collections::HashMap;
use std::error::Error;

use tokio::io::AsyncBufReadExt;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::io::Stdin;
use uuid::Uuid;

pub type Outcome = Result<(), Box<dyn Error>>;

/// Lines of the caller.
pub type Input = Lines<BufReader<Stdin>>;

pub const WORDS: [&str; 6] = ["", "plain", "ärger", "Привет", "日本語", "🦀 lane"];

/// Lengths around the block size of the hash of keys.
pub const KEY_SIZES: [usize; 6] = [1, 15, 16, 17, 200, 5000];

/// The tables beside `types`, whose columns depend on what a driver can.
pub const TABLES: [&str; 3] = [
    "rows (p text, q int, c int, v text, PRIMARY KEY ((p, q), c))",
    "blobs (k blob PRIMARY KEY, v blob)",
    "ids (k uuid PRIMARY KEY, v int)",
];

/// Pairs of `--name value`.
pub struct Args(HashMap<String, String>);

impl Args {
    pub fn of_program() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let pairs = words
            .chunks_exact(2)
            .map(|pair| (pair[0].trim_start_matches('-').to_owned(), pair[1].clone()));
        Self(pairs.collect())
    }

    pub fn get<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).map_or(default, String::as_str)
    }
}

pub fn input() -> Input {
    BufReader::new(tokio::io::stdin()).lines()
}

/// What a driver warns of goes to standard error.
pub fn show_warnings() {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

pub fn uid(n: u32) -> Uuid {
    Uuid::parse_str(&format!("6f1c2f0e-7d50-4a57-9b7c-{n:012}")).expect("the pattern is a uuid")
}

/// A blob key of `size` bytes.
pub fn blob_key(size: usize) -> Vec<u8> {
    (0..size).map(|i| (7 * i + size) as u8).collect()
}

/// A value of 2 MiB.
pub fn large_blob() -> Vec<u8> {
    (0..2_usize << 20).map(|i| (i * i % 251) as u8).collect()
}

/// Keys of the requests that are in flight together.
pub fn many_keys() -> Vec<i32> {
    (0..500).map(|k| k * 7919 - 400_000).collect()
}

/// Prints how a section ended; the next one gets its turn either way.
pub fn report(name: &str, outcome: Outcome) -> bool {
    if let Err(e) = &outcome {
        println!("FAILED {name}: {e}");
    }
    outcome.is_ok()
}
