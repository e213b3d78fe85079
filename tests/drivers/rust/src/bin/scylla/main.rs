//! What an application does with ScyllaDB's Rust driver, as lines that do not change from run to run.
//!
//! The lines of a run straight to the cluster and of a run through the proxy have to be equal byte
//! for byte. Lines that start with `@` speak to the caller.

mod touch;

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;
use std::time::Instant;

use futures::StreamExt;
use futures::stream;
use rust_driver_tests::Args;
use rust_driver_tests::Input;
use rust_driver_tests::KEY_SIZES;
use rust_driver_tests::Outcome;
use rust_driver_tests::TABLES;
use rust_driver_tests::WORDS;
use rust_driver_tests::blob_key;
use rust_driver_tests::input;
use rust_driver_tests::large_blob;
use rust_driver_tests::many_keys;
use rust_driver_tests::report;
use rust_driver_tests::show_warnings;
use rust_driver_tests::uid;
use scylla::client::Compression;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::response::PagingState;
use scylla::response::PagingStateResponse;
use scylla::statement::Consistency;
use scylla::statement::batch::Batch;
use scylla::statement::batch::BatchType;
use scylla::value::MaybeUnset;
use scylla::value::Row;

async fn connect(args: &Args, keyspace: Option<&str>) -> Result<Session, Box<dyn Error>> {
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::Quorum)
        .request_timeout(Some(Duration::from_secs(60)))
        .build();
    let mut builder = SessionBuilder::new()
        .known_node(format!("{}:{}", args.get("host", ""), args.get("port", "9042")))
        .connection_timeout(Duration::from_secs(10))
        .schema_agreement_timeout(Duration::from_secs(60))
        .compression(match args.get("compression", "none") {
            "lz4" => Some(Compression::Lz4),
            "snappy" => Some(Compression::Snappy),
            _ => None,
        })
        .default_execution_profile_handle(profile.into_handle());
    if let Some(keyspace) = keyspace {
        builder = builder.use_keyspace(keyspace, false);
    }
    Ok(builder.build().await?)
}

async fn run(s: &Session, text: &str) -> Outcome {
    s.query_unpaged(text, &[]).await?;
    Ok(())
}

async fn rows(s: &Session, text: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let got = s.query_unpaged(text, &[]).await?.into_rows_result()?;
    Ok(got.rows::<Row>()?.collect::<Result<_, _>>()?)
}

async fn schema(s: &Session, args: &Args) -> Outcome {
    let keyspace = args.get("keyspace", "smoke_rust");
    run(s, &format!("DROP KEYSPACE IF EXISTS {keyspace}")).await?;
    run(
        s,
        &format!(
            "CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', '{}': {}}}{}",
            args.get("data-center", "dc1"),
            args.get("rf", "3"),
            args.get("with-keyspace", "")
        ),
    )
    .await?;
    s.use_keyspace(keyspace, false).await?;
    let types = "types (k int PRIMARY KEY, a text, b blob, c uuid, d bigint, e double, f boolean, i list<int>, j map<text, int>)";
    for table in [types].into_iter().chain(TABLES) {
        run(s, &format!("CREATE TABLE {table}")).await?;
    }
    println!("schema: used {:?}", s.get_keyspace());
    Ok(())
}

async fn simple(s: &Session, _: &Args) -> Outcome {
    s.query_unpaged("INSERT INTO ids (k, v) VALUES (?, ?)", (uid(1), 7)).await?;
    println!("simple: {:?}", rows(s, &format!("SELECT k, v FROM ids WHERE k = {}", uid(1))).await?);
    run(s, &format!("INSERT INTO ids (k, v) VALUES ({}, 8)", uid(2))).await?;
    println!(
        "simple: literal {:?}",
        rows(s, &format!("SELECT v FROM ids WHERE k = {}", uid(2))).await?
    );
    Ok(())
}

async fn prepared(s: &Session, _: &Args) -> Outcome {
    let insert = s
        .prepare("INSERT INTO types (k, a, b, c, d, e, f, i, j) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .await?;
    let read = s.prepare("SELECT k, a, b, c, d, e, f, i FROM types WHERE k = ?").await?; // a map has no order
    for (n, word) in (0_i32..).zip(WORDS) {
        let key = n * 1_000_003 - 2;
        let blob: Vec<u8> = (0..n * 40).map(|i| i as u8).collect();
        let ints: Vec<i32> = (0..n).collect();
        let lengths: HashMap<&str, i32> =
            WORDS[..n as usize].iter().map(|w| (*w, w.len() as i32)).collect();
        let half = f64::from(n) / 2.0;
        s.execute_unpaged(
            &insert,
            (key, word, blob, uid(n as u32), i64::from(-n) << 40, half, n % 2 == 0, ints, lengths),
        )
        .await?;
        let got = s.execute_unpaged(&read, (key,)).await?.into_rows_result()?;
        println!("prepared: {n} {:?}", got.first_row::<Row>()?);
    }
    let insert = s.prepare("INSERT INTO blobs (k, v) VALUES (?, ?)").await?;
    let read = s.prepare("SELECT v FROM blobs WHERE k = ?").await?;
    for size in KEY_SIZES {
        let key = blob_key(size);
        s.execute_unpaged(&insert, (&key, &key)).await?;
        let got = s.execute_unpaged(&read, (&key,)).await?.into_rows_result()?;
        println!("prepared: blob key of {size} {}", got.first_row::<(Vec<u8>,)>()?.0 == key);
    }
    Ok(())
}

async fn nothing(s: &Session, _: &Args) -> Outcome {
    let insert = s.prepare("INSERT INTO types (k, a, d) VALUES (?, ?, ?)").await?;
    s.execute_unpaged(&insert, (9001, "kept", 5_i64)).await?;
    s.execute_unpaged(&insert, (9001, MaybeUnset::<&str>::Unset, None::<i64>)).await?;
    println!("null and unset: {:?}", rows(s, "SELECT a, d FROM types WHERE k = 9001").await?);
    println!("no row: {:?}", rows(s, "SELECT a, d FROM types WHERE k = 9002").await?);
    Ok(())
}

async fn batches(s: &Session, _: &Args) -> Outcome {
    for (name, kind) in [("logged", BatchType::Logged), ("unlogged", BatchType::Unlogged)] {
        let insert = s.prepare("INSERT INTO rows (p, q, c, v) VALUES (?, 1, ?, ?)").await?;
        let mut batch = Batch::new(kind);
        let mut values = Vec::new();
        for (c, word) in (0_i32..).zip(WORDS) {
            batch.append_statement(insert.clone());
            values.push((name, c, word));
        }
        s.batch(&batch, values).await?;
        let text = format!("SELECT c, v FROM rows WHERE p = '{name}' AND q = 1");
        println!("batch: {name} {:?}", rows(s, &text).await?);
    }
    Ok(())
}

async fn paging(s: &Session, _: &Args) -> Outcome {
    let insert = s.prepare("INSERT INTO rows (p, q, c, v) VALUES ('pages', 2, ?, ?)").await?;
    let writes = stream::iter(0..1000_i32)
        .map(|c| s.execute_unpaged(&insert, (c, "v")))
        .buffer_unordered(50);
    for outcome in writes.collect::<Vec<_>>().await {
        outcome?;
    }
    let mut read = s.prepare("SELECT c FROM rows WHERE p = ? AND q = ? ORDER BY c DESC").await?;
    read.set_page_size(100);
    let (mut state, mut pages, mut seen) = (PagingState::start(), Vec::new(), Vec::new());
    loop {
        let (page, more) = s.execute_single_page(&read, ("pages", 2), state).await?;
        let page = page.into_rows_result()?;
        if page.rows_num() > 0 {
            pages.push(page.rows_num());
        }
        for row in page.rows::<(i32,)>()? {
            seen.push(row?.0);
        }
        match more {
            PagingStateResponse::HasMorePages { state: next } => state = next,
            PagingStateResponse::NoMorePages => break,
        }
    }
    println!("paging: {pages:?} {}", seen == (0..1000).rev().collect::<Vec<_>>());
    Ok(())
}

async fn conditional(s: &Session, _: &Args) -> Outcome {
    let insert = s.prepare("INSERT INTO ids (k, v) VALUES (?, ?) IF NOT EXISTS").await?;
    for v in [1, 2] {
        let got = s.execute_unpaged(&insert, (uid(50), v)).await?.into_rows_result()?;
        println!("lwt: insert {:?}", got.first_row::<Row>()?);
    }
    let update = s.prepare("UPDATE ids SET v = ? WHERE k = ? IF v = ?").await?;
    for v in [3, 4] {
        let got = s.execute_unpaged(&update, (v, uid(50), 1)).await?.into_rows_result()?;
        println!("lwt: update {:?}", got.first_row::<Row>()?);
    }
    Ok(())
}

async fn errors(s: &Session, _: &Args) -> Outcome {
    for (name, text) in [
        ("syntax", "SELEKT 1"),
        ("table", "SELECT * FROM nowhere"),
        ("column", "SELECT nothing FROM ids"),
        ("exists", "CREATE TABLE ids (k int PRIMARY KEY)"),
        ("key", "SELECT * FROM rows WHERE p = 'x'"),
    ] {
        println!("error: {name} {:?}", s.query_unpaged(text, &[]).await.err());
    }
    println!(
        "error: keyspace stays {:?}",
        rows(s, &format!("SELECT v FROM ids WHERE k = {}", uid(1))).await?
    );
    Ok(())
}

async fn large(s: &Session, _: &Args) -> Outcome {
    let blob = large_blob();
    let insert = s.prepare("INSERT INTO blobs (k, v) VALUES (?, ?)").await?;
    s.execute_unpaged(&insert, (b"large".to_vec(), &blob)).await?;
    let read = s.prepare("SELECT v FROM blobs WHERE k = ?").await?;
    let got = s.execute_unpaged(&read, (b"large".to_vec(),)).await?.into_rows_result()?;
    println!("large: {}", got.first_row::<(Vec<u8>,)>()?.0 == blob);
    Ok(())
}

async fn many(s: &Session, _: &Args) -> Outcome {
    let insert = s.prepare("INSERT INTO types (k, a, d) VALUES (?, ?, ?)").await?;
    let read = s.prepare("SELECT k, a, d FROM types WHERE k = ?").await?;
    let keys = many_keys();
    let writes = stream::iter(keys.clone())
        .map(|k| s.execute_unpaged(&insert, (k, format!("w{k}"), i64::from(k) << 20)))
        .buffer_unordered(500);
    for outcome in writes.collect::<Vec<_>>().await {
        outcome?;
    }
    let reads = stream::iter(keys.clone()).map(|k| s.execute_unpaged(&read, (k,))).buffered(500);
    let mut wrong = 0;
    for (k, got) in keys.into_iter().zip(reads.collect::<Vec<_>>().await) {
        let row: (i32, String, i64) = got?.into_rows_result()?.first_row()?;
        wrong += usize::from(row != (k, format!("w{k}"), i64::from(k) << 20));
    }
    println!("in flight: 500 at once, wrong {wrong}");
    Ok(())
}

async fn definitions(s: &Session, _: &Args) -> Outcome {
    for n in 0..10_i32 {
        run(s, &format!("CREATE TABLE fresh{n} (k int PRIMARY KEY, v text)")).await?;
        let insert = s.prepare(format!("INSERT INTO fresh{n} (k, v) VALUES (?, ?)")).await?;
        s.execute_unpaged(&insert, (n, format!("f{n}"))).await?;
        println!(
            "fresh: {:?}",
            rows(s, &format!("SELECT k, v FROM fresh{n} WHERE k = {n}")).await?
        );
    }
    Ok(())
}

async fn metadata(s: &Session, args: &Args) -> Outcome {
    s.refresh_metadata().await?;
    let state = s.get_cluster_state();
    let keyspace =
        state.get_keyspace(args.get("keyspace", "smoke_rust")).ok_or("no such keyspace")?;
    let mut tables: Vec<_> = keyspace.tables.iter().collect();
    tables.sort_by_key(|(name, _)| name.as_str());
    for (name, table) in tables {
        let mut columns: Vec<_> = table.columns.keys().collect();
        columns.sort();
        println!(
            "metadata: {name} {:?} {:?} {columns:?}",
            table.partition_key, table.clustering_key
        );
    }
    Ok(())
}

async fn altered(s: &Session, _: &Args) -> Outcome {
    println!("alter: before {:?}", rows(s, "SELECT k, v FROM fresh1 WHERE k = 1").await?);
    run(s, "ALTER TABLE fresh1 ADD extra int").await?;
    run(s, "INSERT INTO fresh1 (k, v, extra) VALUES (1, 'f1', 11)").await?;
    let read = s.prepare("SELECT k, v, extra FROM fresh1 WHERE k = ?").await?;
    let got = s.execute_unpaged(&read, (1,)).await?.into_rows_result()?;
    println!("alter: after {:?}", got.first_row::<Row>()?);
    Ok(())
}

/// This driver takes no notice of schema events; it reads the schema again when it is called to.
async fn second(s: &Session, args: &Args) -> Outcome {
    let keyspace = args.get("keyspace", "smoke_rust");
    let other = connect(args, Some(keyspace)).await?;
    let text = format!("SELECT v FROM ids WHERE k = {}", uid(1));
    println!("second session: {:?}", rows(&other, &text).await?);
    run(&other, "CREATE TABLE seen (k int PRIMARY KEY, v text)").await?;
    s.refresh_metadata().await?;
    let state = s.get_cluster_state();
    let seen = state.get_keyspace(keyspace).is_some_and(|k| k.tables.contains_key("seen"));
    println!("schema of another session seen: {seen}");
    Ok(())
}

async fn reconnect(s: &Session, input: &mut Input) -> Outcome {
    let read = s.prepare("SELECT v FROM ids WHERE k = ?").await?;
    let first = s.execute_unpaged(&read, (uid(1),)).await?.into_rows_result()?;
    println!("reconnect: before {:?}", first.first_row::<(i32,)>()?);
    println!("@restart");
    input.next_line().await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match s.execute_unpaged(&read, (uid(1),)).await {
            Ok(got) => {
                println!("reconnect: after {:?}", got.into_rows_result()?.first_row::<(i32,)>()?);
                return Ok(());
            }
            Err(e) if Instant::now() > deadline => return Err(e.into()),
            Err(e) => println!("@waiting {e}"),
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    show_warnings();
    let args = Args::of_program();
    let mut lines = input();
    if args.get("mode", "smoke") == "touch" {
        let s = connect(&args, Some(args.get("keyspace", ""))).await?;
        return touch::touch(&s, &args, &mut lines).await;
    }
    let s = connect(&args, None).await?;
    println!("connected");
    let mut fine = true;
    macro_rules! sections {
        ($($name:ident),*) => {$(
            if !args.get("skip", "").split(',').any(|skipped| skipped == stringify!($name)) {
                fine &= report(stringify!($name), $name(&s, &args).await);
            }
        )*};
    }
    sections!(
        schema,
        simple,
        prepared,
        nothing,
        batches,
        paging,
        conditional,
        errors,
        large,
        many,
        definitions,
        metadata,
        altered,
        second
    );
    fine &= report("reconnect", reconnect(&s, &mut lines).await);
    println!("end");
    std::process::exit(i32::from(!fine));
}
