//! The simulated cluster alone, for drivers: `cargo run --example sim -- --address 127.0.0.1`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "an example may fail loudly"
)]

use std::io::Write;

use shardlane::sim::like::Like;
use shardlane::sim::listen::options::SimOptions;
use shardlane::sim::listen::serve::serve;

fn main() {
    let mut options = SimOptions::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().unwrap();
        match word.as_str() {
            "--address" => options.address = value.parse().unwrap(),
            "--nodes" => options.nodes = value.parse().unwrap(),
            "--shards" => options.shards = value.parse().unwrap(),
            "--port" => options.port = value.parse().unwrap(),
            "--shard-aware-port" => options.shard_aware_port = value.parse().unwrap(),
            "--tablets" => options.tablets = value.parse().unwrap(),
            "--like" if value == "6.2" => options.like = Like::V6_2,
            "--like" => options.like = Like::V2026_3,
            "--api" => options.api = Some(value.parse().unwrap()),
            "--user" => {
                let (user, password) = value.split_once(':').unwrap();
                options.user = Some((user.to_owned(), password.to_owned()));
            }
            "--data-centers" => {
                options.data_centers = value.split(',').map(str::to_owned).collect();
            }
            "--racks" => options.racks = value.split(',').map(str::to_owned).collect(),
            _ => panic!("unknown flag {word}"),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ready = |_: &_| {
        println!("ready");
        std::io::stdout().flush().unwrap();
    };
    runtime.block_on(serve(options, ready)).unwrap();
}
