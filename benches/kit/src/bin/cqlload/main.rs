//! cqlload: a raw CQL v4 load generator for nullcql, directly or through a proxy.
//!
//! Each answer is checked: a stream that is under way, the right kind, a value that begins with
//! the key asked for.

mod check;
mod conn;
mod load;
mod settings;

use conn::Conn;
use conn::Hog;
use load::Load;
use settings::Settings;
use shardlane_bench_kit::process::cpu_ns;
use shardlane_bench_kit::process::precise_timers;
use std::io;
use std::io::BufRead;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

fn main() -> ExitCode {
    let settings = Settings::parse();
    precise_timers();
    let mut conns = vec![];
    for number in 0..settings.conns {
        match Conn::open(&settings, number) {
            Ok(conn) => conns.push(conn),
            Err(e) => {
                eprintln!("cqlload: connection {number}: {e}");
                return ExitCode::FAILURE;
            }
        }
    }
    let hogs: Result<Vec<Hog>, String> =
        (0..settings.hogs).map(|number| Hog::open(&settings, number)).collect();
    let hogs = match hogs {
        Ok(hogs) => hogs,
        Err(e) => {
            eprintln!("cqlload: a hog: {e}");
            return ExitCode::FAILURE;
        }
    };
    match run(settings, conns, hogs) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err(e) => {
            eprintln!("cqlload: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Warms up, measures, reports; returns the number of errors.
fn run(settings: Settings, conns: Vec<Conn>, mut hogs: Vec<Hog>) -> io::Result<u64> {
    let (gate, warmup, requests) = (settings.gate, settings.warmup, settings.requests);
    let mut load = Load::new(settings, conns)?;
    if warmup > 0 {
        load.issue(warmup)?;
        load.forget();
    }
    if gate {
        pause()?;
    }
    let (cpu, start) = (cpu_ns(), Instant::now());
    hogs.iter_mut().try_for_each(Hog::ask)?;
    load.issue(requests)?;
    let (elapsed, cpu_after) = (start.elapsed(), cpu_ns());
    if gate {
        pause()?;
    }
    let cpu_spent = (cpu_after.0 - cpu.0) + (cpu_after.1 - cpu.1);
    println!("{}", report(&load, elapsed, cpu_spent));
    Ok(load.errors.total())
}

/// Lets the measuring process take its readings.
fn pause() -> io::Result<()> {
    println!("GATE");
    io::stdout().flush()?;
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// The result as one JSON line; times in microseconds.
fn report(load: &Load, elapsed: Duration, cpu_ns: u64) -> String {
    let (errors, latencies) = (&load.errors, &load.latencies);
    let requests = load.settings.requests as f64;
    let us = |q: f64| latencies.value_at_quantile(q) as f64 / 1e3;
    let quoted = |(code, (count, text)): (&i32, &(u64, String))| {
        let text = text.replace(|c: char| c == '"' || c == '\\' || c.is_control(), " ");
        format!("\"0x{code:04x} {count}x {text}\"")
    };
    let cql: Vec<String> = errors.cql.iter().map(quoted).collect();
    let fields = [
        ("requests", load.settings.requests.to_string()),
        ("right", load.right.to_string()),
        ("errors", errors.total().to_string()),
        ("bad_stream", errors.bad_stream.to_string()),
        ("bad_kind", errors.bad_kind.to_string()),
        ("bad_value", errors.bad_value.to_string()),
        ("lost", errors.lost.to_string()),
        ("closed_conns", errors.closed_conns.to_string()),
        ("cql_errors", format!("[{}]", cql.join(","))),
        ("elapsed_s", format!("{:.6}", elapsed.as_secs_f64())),
        ("throughput", format!("{:.1}", requests / elapsed.as_secs_f64())),
        ("p50_us", format!("{:.2}", us(0.5))),
        ("p90_us", format!("{:.2}", us(0.9))),
        ("p99_us", format!("{:.2}", us(0.99))),
        ("max_us", format!("{:.2}", us(1.0))),
        ("client_cpu_us", format!("{:.3}", cpu_ns as f64 / 1e3 / requests)),
        ("bytes_in", load.bytes_in.to_string()),
    ];
    let fields: Vec<String> = fields.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
    format!("{{{}}}", fields.join(","))
}
