//! Runs the statements that it is given with ScyllaDB's Rust driver, one a line as consistency, tab, text, and a tab and p if it is
//! to be prepared, and prints what each error is.

use std::error::Error;
use std::time::Duration;

use rust_driver_tests::Args;
use rust_driver_tests::input;
use rust_driver_tests::show_warnings;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::{ExecutionError, RequestAttemptError};
use scylla::statement::unprepared::Statement;
use scylla::statement::Consistency;

/// The name of an enum's variant.
fn variant(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

fn name(error: &ExecutionError) -> String {
    match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => {
            format!("DbError::{}", variant(error))
        }
        ExecutionError::LastAttemptError(error) => format!("RequestAttemptError::{}", variant(error)),
        error => format!("ExecutionError::{}", variant(error)),
    }
}

async fn ask(session: &Session, line: &str) -> Result<(), ExecutionError> {
    let parts: Vec<&str> = line.split('\t').collect();
    let mut statement = Statement::new(parts[1]);
    statement.set_consistency(match parts[0] {
        "ALL" => Consistency::All,
        _ => Consistency::One,
    });
    // A statement that is prepared again and again ends so.
    statement.set_request_timeout(Some(Duration::from_secs(10)));
    if parts.len() > 2 {
        let prepared = session.prepare(statement).await?;
        session.execute_unpaged(&prepared, ()).await?;
    } else {
        session.query_unpaged(statement, ()).await?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    show_warnings();
    let args = Args::of_program();
    let node = format!("{}:{}", args.get("host", ""), args.get("port", "9042"));
    let mut builder = SessionBuilder::new().known_node(node);
    let user = args.get("user", "");
    if !user.is_empty() {
        builder = builder.user(user, args.get("password", ""));
    }
    let session = builder.build().await?;
    println!("@running");
    let mut lines = input();
    while let Some(line) = lines.next_line().await? {
        println!("{}", ask(&session, &line).await.err().as_ref().map_or("none".to_owned(), name));
    }
    Ok(())
}
