//! Whether each request goes to its shard is for the caller to count.

use std::error::Error;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use rust_driver_tests::Args;
use rust_driver_tests::Input;
use rust_driver_tests::Outcome;
use scylla::client::session::Session;
use scylla::cluster::Node;

/// Writes and reads back every key once, prints what it saw, waits for a line, and does it again.
pub(crate) async fn touch(s: &Session, args: &Args, input: &mut Input) -> Outcome {
    let keys: i32 = args.get("keys", "1000").parse()?;
    let shards = |node: &Arc<Node>| node.sharder().map_or(0, |sharder| sharder.nr_shards.get());
    println!(
        "@shards {:?}",
        s.get_cluster_state().get_nodes_info().iter().map(shards).collect::<Vec<_>>()
    );
    let write_ints = s.prepare("INSERT INTO ints (k, v) VALUES (?, ?)").await?;
    let read_ints = s.prepare("SELECT v FROM ints WHERE k = ?").await?;
    let write_texts = s.prepare("INSERT INTO texts (k, v) VALUES (?, ?)").await?;
    let read_texts = s.prepare("SELECT v FROM texts WHERE k = ?").await?;
    for pass in 1..=2_i32 {
        let statements = (&write_ints, &read_ints, &write_texts, &read_texts);
        let touched = stream::iter(0..keys).map(|k| async move {
            let text = format!("ключ {k}");
            s.execute_unpaged(statements.0, (k, pass)).await?;
            s.execute_unpaged(statements.2, (&text, pass)).await?;
            let int = s.execute_unpaged(statements.1, (k,)).await?.into_rows_result()?;
            let text = s.execute_unpaged(statements.3, (&text,)).await?.into_rows_result()?;
            let wrong = |got: (i32,)| usize::from(got.0 != pass);
            Ok::<usize, Box<dyn Error>>(wrong(int.first_row()?) + wrong(text.first_row()?))
        });
        let mut wrong = 0;
        for outcome in touched.buffer_unordered(8).collect::<Vec<_>>().await {
            wrong += outcome?;
        }
        println!(
            "{{\"requests\": {}, \"wrong\": {wrong}, \"errors\": {{}}, \"failed\": {{}}}}",
            4 * keys
        );
        input.next_line().await?;
    }
    Ok(())
}
