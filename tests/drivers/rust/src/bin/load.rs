//! Writes and reads back keys of two tables with ScyllaDB's Rust driver until a line arrives; prints what it saw as one line of
//! JSON.

use std::cell::Cell;
use std::error::Error;
use std::time::Duration;

use futures::future;
use rust_driver_tests::Args;
use rust_driver_tests::input;
use rust_driver_tests::show_warnings;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::prepared::PreparedStatement;

const WORKERS: i32 = 8;
const KEYS: i32 = 200;
/// Keeps a load from starving the servers that share its machine.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Tally {
    requests: Cell<u64>,
    wrong: Cell<u64>,
    errors: Cell<u64>,
    stopped: Cell<bool>,
}

struct Statements {
    ints: [PreparedStatement; 2],
    texts: [PreparedStatement; 2],
}

fn add(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

impl Tally {
    fn note<T, E: Error>(&self, outcome: Result<T, E>) -> Option<T> {
        add(&self.requests);
        outcome
            .map_err(|error| {
                eprintln!("{error}");
                add(&self.errors);
            })
            .ok()
    }

    async fn work(&self, s: &Session, statements: &Statements, worker: i32) {
        for v in 0_i32.. {
            for k in (worker..KEYS).step_by(WORKERS as usize) {
                if self.stopped.get() {
                    return;
                }
                let text = format!("ключ {k}");
                self.note(s.execute_unpaged(&statements.ints[0], (k, v)).await);
                let int = self.note(s.execute_unpaged(&statements.ints[1], (k,)).await);
                self.note(s.execute_unpaged(&statements.texts[0], (&text, v)).await);
                let text = self.note(s.execute_unpaged(&statements.texts[1], (&text,)).await);
                for got in [int, text].into_iter().flatten() {
                    let rows = got.into_rows_result().expect("a SELECT has rows");
                    if !rows.first_row::<(i32,)>().is_ok_and(|row| row.0 == v) {
                        add(&self.wrong);
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    show_warnings();
    let args = Args::of_program();
    let node = format!("{}:{}", args.get("host", ""), args.get("port", "9042"));
    let builder =
        SessionBuilder::new().known_node(node).use_keyspace(args.get("keyspace", ""), false);
    let s = builder.connection_timeout(Duration::from_secs(10)).build().await?;
    let statements = Statements {
        ints: [
            s.prepare("INSERT INTO ints (k, v) VALUES (?, ?)").await?,
            s.prepare("SELECT v FROM ints WHERE k = ?").await?,
        ],
        texts: [
            s.prepare("INSERT INTO texts (k, v) VALUES (?, ?)").await?,
            s.prepare("SELECT v FROM texts WHERE k = ?").await?,
        ],
    };
    let tally = Tally::default();
    println!("@running");
    let stop = async {
        let line = input().next_line().await;
        tally.stopped.set(true);
        line
    };
    let work = future::join_all((0..WORKERS).map(|worker| tally.work(&s, &statements, worker)));
    let (line, _) = tokio::join!(stop, work);
    line?;
    let errors = match tally.errors.get() {
        0 => String::new(),
        count => format!("\"any\": {count}"),
    };
    let (requests, wrong) = (tally.requests.get(), tally.wrong.get());
    println!("{{\"requests\": {requests}, \"wrong\": {wrong}, \"errors\": {{{errors}}}}}");
    Ok(())
}
