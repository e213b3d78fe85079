//! What an application does with cdrs-tokio, as lines that do not change from run to run.
//!
//! The lines of a run straight to the cluster and of a run through the proxy have to be equal byte
//! for byte. Lines that start with `@` speak to the caller.

mod session;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

use cdrs_tokio::cluster::PagerState;
use cdrs_tokio::consistency::Consistency;
use cdrs_tokio::frame::message_batch::BatchType;
use cdrs_tokio::query::BatchQueryBuilder;
use cdrs_tokio::query::QueryValues;
use cdrs_tokio::query_values;
use cdrs_tokio::types::AsRustType;
use cdrs_tokio::types::ByName;
use cdrs_tokio::types::IntoRustByName;
use cdrs_tokio::types::blob::Blob;
use cdrs_tokio::types::list::List;
use cdrs_tokio::types::map::Map;
use cdrs_tokio::types::value::Value;
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
use uuid::Uuid;

use session::Current;
use session::ask;
use session::connect;
use session::define;
use session::execute;
use session::ints;
use session::run;
use session::words;
use session::write_to_all;

async fn schema(s: &mut Current, args: &Args) -> Outcome {
    let keyspace = args.get("keyspace", "smoke_cdrs");
    define(s, &format!("DROP KEYSPACE IF EXISTS {keyspace}")).await?;
    define(
        s,
        &format!(
            "CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', '{}': {}}}",
            args.get("data-center", "dc1"),
            args.get("rf", "3")
        ),
    )
    .await?;
    // A USE of this driver reaches its other connections some time later; a new session has it at once.
    *s = connect(args, Some(keyspace)).await?;
    let types = "types (k int PRIMARY KEY, a text, b blob, c uuid, d bigint, e double, f boolean, h inet, i list<int>, j map<text, int>, o smallint)";
    for table in [types].into_iter().chain(TABLES) {
        define(s, &format!("CREATE TABLE {table}")).await?;
    }
    println!("schema: used {:?}", s.current_keyspace());
    Ok(())
}

async fn simple(s: &mut Current, args: &Args) -> Outcome {
    let keyspace = args.get("keyspace", "smoke_cdrs");
    ask(s, "INSERT INTO ids (k, v) VALUES (?, ?)", query_values!(uid(1), 7)).await?;
    let got = ask(s, "SELECT v FROM ids WHERE k = ?", query_values!(uid(1))).await?;
    println!("simple: {:?}", ints(&got)?);
    ask(s, "INSERT INTO ids (k, v) VALUES (:k, :v)", query_values!("k" => uid(3), "v" => 9))
        .await?;
    let got = ask(s, "SELECT v FROM ids WHERE k = :k", query_values!("k" => uid(3))).await?;
    println!("simple: named {:?}", ints(&got)?);
    run(s, &format!("INSERT INTO {keyspace}.ids (k, v) VALUES ({}, 8)", uid(2))).await?;
    let got = run(s, &format!("SELECT v FROM ids WHERE k = {}", uid(2))).await?;
    println!("simple: literal {:?}", ints(&got)?);
    Ok(())
}

async fn prepared(s: &mut Current, _: &Args) -> Outcome {
    let insert = s
        .prepare("INSERT INTO types (k, a, b, c, d, e, f, h, i, j, o) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .await?;
    let read = s.prepare("SELECT k, a, b, c, d, e, f, h, i, j, o FROM types WHERE k = ?").await?;
    for (n, word) in (0_i32..).zip(WORDS) {
        let key = n * 1_000_003 - 2;
        let blob: Vec<u8> = (0..n * 40).map(|i| i as u8).collect();
        let list: Vec<i32> = (0..n).collect();
        let lengths: BTreeMap<&str, i32> =
            WORDS[..n as usize].iter().map(|w| (*w, w.len() as i32)).collect();
        let address: IpAddr = format!("10.0.0.{n}").parse()?;
        let values = query_values!(
            key,
            word,
            Blob::from(blob),
            uid(n as u32),
            i64::from(-n) << 40,
            f64::from(n) / 3.0,
            n % 2 == 0,
            address,
            list,
            lengths,
            -(n as i16)
        );
        execute(s, &insert, values).await?;
        let got = execute(s, &read, query_values!(key)).await?;
        let row = got.first().ok_or("the row is gone")?;
        let blob: Option<Blob> = row.get_by_name("b")?;
        let list: Option<List> = row.get_by_name("i")?;
        let list: Option<Vec<i32>> = list.map(|list| list.as_rust_type()).transpose()?.flatten();
        let map: Option<Map> = row.get_by_name("j")?;
        let map: Option<HashMap<String, i32>> =
            map.map(|map| map.as_rust_type()).transpose()?.flatten();
        println!(
            "prepared: {n} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {list:?} {:?} {:?}",
            row.by_name::<i32>("k")?,
            row.by_name::<String>("a")?,
            blob.map(Blob::into_vec),
            row.by_name::<Uuid>("c")?,
            row.by_name::<i64>("d")?,
            row.by_name::<f64>("e")?,
            row.by_name::<bool>("f")?,
            row.by_name::<IpAddr>("h")?,
            map.map(BTreeMap::from_iter),
            row.by_name::<i16>("o")?,
        );
    }
    let insert = s.prepare("INSERT INTO blobs (k, v) VALUES (?, ?)").await?;
    let read = s.prepare("SELECT v FROM blobs WHERE k = ?").await?;
    for size in KEY_SIZES {
        let key = blob_key(size);
        execute(s, &insert, query_values!(Blob::from(key.clone()), Blob::from(key.clone())))
            .await?;
        let got = execute(s, &read, query_values!(Blob::from(key.clone()))).await?;
        let back: Option<Blob> = got.first().ok_or("the row is gone")?.get_by_name("v")?;
        println!("prepared: blob key of {size} {}", back.map(Blob::into_vec) == Some(key));
    }
    Ok(())
}

async fn nothing(s: &mut Current, args: &Args) -> Outcome {
    let insert = s.prepare("INSERT INTO types (k, a, d) VALUES (?, ?, ?)").await?;
    execute(s, &insert, query_values!(9001, "kept", 5_i64)).await?;
    // Version 3 knows no unset.
    let a = if args.get("version", "4") == "3" { Value::from("kept") } else { Value::NotSet };
    let values = QueryValues::SimpleValues(vec![9001.into(), a, Value::Null]);
    execute(s, &insert, values).await?;
    for key in [9001, 9002] {
        let got = ask(s, "SELECT a, d FROM types WHERE k = ?", query_values!(key)).await?;
        for row in &got {
            println!(
                "null and unset: {:?} {:?}",
                row.get_by_name("a").map(|a: Option<String>| a)?,
                row.get_by_name("d").map(|d: Option<i64>| d)?
            );
        }
        println!("rows: {}", got.len());
    }
    Ok(())
}

async fn batches(s: &mut Current, _: &Args) -> Outcome {
    let insert = s.prepare("INSERT INTO rows (p, q, c, v) VALUES (?, 1, ?, ?)").await?;
    for (name, kind) in [("logged", BatchType::Logged), ("unlogged", BatchType::Unlogged)] {
        let mut batch =
            BatchQueryBuilder::new().with_batch_type(kind).with_consistency(Consistency::Quorum);
        for (c, word) in (0_i32..).zip(WORDS) {
            batch = batch.add_query_prepared(&insert, query_values!(name, c, word));
        }
        let text = format!("INSERT INTO rows (p, q, c, v) VALUES ('{name}', 1, 99, 'simple')");
        batch = batch.add_query(text, QueryValues::SimpleValues(Vec::new()));
        s.batch(batch.build()?).await?;
        let text = format!("SELECT c, v FROM rows WHERE p = '{name}' AND q = 1");
        for row in run(s, &text).await? {
            let (c, v): (Option<i32>, Option<String>) =
                (row.get_by_name("c")?, row.get_by_name("v")?);
            println!("batch: {name} {c:?} {v:?}");
        }
    }
    Ok(())
}

async fn paging(s: &mut Current, _: &Args) -> Outcome {
    let insert = s.prepare("INSERT INTO rows (p, q, c, v) VALUES ('pages', 2, ?, 'v')").await?;
    let writes = stream::iter(0..1000_i32)
        .map(|c| write_to_all(s, &insert, query_values!(c)))
        .buffer_unordered(50);
    for outcome in writes.collect::<Vec<_>>().await {
        outcome?;
    }
    let read = s.prepare("SELECT c FROM rows WHERE p = 'pages' AND q = 2 ORDER BY c DESC").await?;
    let (mut state, mut pages, mut seen) = (PagerState::new(), Vec::new(), Vec::new());
    loop {
        let mut paged = s.paged(100);
        let mut pager = paged.exec_with_pager_state(&read, state);
        let rows = pager.next().await?;
        if !rows.is_empty() {
            pages.push(rows.len());
        }
        for row in rows {
            seen.push(IntoRustByName::<i32>::get_r_by_name(&row, "c")?);
        }
        if !pager.has_more() {
            break;
        }
        state = pager.pager_state();
    }
    println!("paging: {pages:?} {}", seen == (0..1000).rev().collect::<Vec<_>>());
    Ok(())
}

async fn conditional(s: &mut Current, _: &Args) -> Outcome {
    let insert = s.prepare("INSERT INTO ids (k, v) VALUES (?, ?) IF NOT EXISTS").await?;
    let update = s.prepare("UPDATE ids SET v = ? WHERE k = ? IF v = ?").await?;
    for (name, statement, values) in [
        ("inserted", &insert, query_values!(uid(50), 1)),
        ("inserted twice", &insert, query_values!(uid(50), 2)),
        ("updated", &update, query_values!(3, uid(50), 1)),
        ("not updated", &update, query_values!(4, uid(50), 1)),
    ] {
        let got = execute(s, statement, values).await?;
        let row = got.first().ok_or("no row")?;
        let applied: Option<bool> = row.get_by_name("[applied]")?;
        let v: Option<i32> = if row.contains_column("v") { row.get_by_name("v")? } else { None };
        println!("lwt: {name} {applied:?} {v:?}");
    }
    Ok(())
}

async fn errors(s: &mut Current, _: &Args) -> Outcome {
    for (name, text) in [
        ("syntax", "SELEKT 1"),
        ("table", "SELECT * FROM nowhere"),
        ("column", "SELECT nothing FROM ids"),
        ("exists", "CREATE TABLE ids (k int PRIMARY KEY)"),
        ("keyspace", "SELECT * FROM no_such_keyspace.t"),
        ("key", "SELECT * FROM rows WHERE p = 'x'"),
        ("use", "USE no_such_keyspace"),
    ] {
        println!("error: {name} {:?}", s.query(text).await.err().as_ref().map(words));
    }
    let outcome = s.prepare("SELECT * FROM nowhere WHERE k = ?").await;
    println!("error: prepare {:?}", outcome.err().as_ref().map(words));
    let got = ask(s, "SELECT v FROM ids WHERE k = ?", query_values!(uid(1))).await?;
    println!("error: keyspace stays {:?}", ints(&got)?);
    Ok(())
}

async fn large(s: &mut Current, _: &Args) -> Outcome {
    let blob = large_blob();
    let key = || Blob::from(b"large".to_vec());
    let insert = s.prepare("INSERT INTO blobs (k, v) VALUES (?, ?)").await?;
    execute(s, &insert, query_values!(key(), Blob::from(blob.clone()))).await?;
    let got = ask(s, "SELECT v FROM blobs WHERE k = ?", query_values!(key())).await?;
    let back: Option<Blob> = got.first().ok_or("the row is gone")?.get_by_name("v")?;
    println!("large: {}", back.map(Blob::into_vec) == Some(blob));
    Ok(())
}

async fn many(s: &mut Current, _: &Args) -> Outcome {
    let insert = s.prepare("INSERT INTO types (k, a, d) VALUES (?, ?, ?)").await?;
    let read = s.prepare("SELECT a, d FROM types WHERE k = ?").await?;
    let keys = many_keys();
    let writes = stream::iter(keys.clone())
        .map(|k| execute(s, &insert, query_values!(k, format!("w{k}"), i64::from(k) << 20)))
        .buffer_unordered(500);
    for outcome in writes.collect::<Vec<_>>().await {
        outcome?;
    }
    let reads =
        stream::iter(keys.clone()).map(|k| execute(s, &read, query_values!(k))).buffered(500);
    let mut wrong = 0;
    for (k, got) in keys.into_iter().zip(reads.collect::<Vec<_>>().await) {
        let got = got?;
        let row = got.first().ok_or("the row is gone")?;
        let (a, d): (String, i64) = (row.get_r_by_name("a")?, row.get_r_by_name("d")?);
        wrong += usize::from((a, d) != (format!("w{k}"), i64::from(k) << 20));
    }
    println!("in flight: 500 at once, wrong {wrong}");
    Ok(())
}

async fn definitions(s: &mut Current, _: &Args) -> Outcome {
    for n in 0..10_i32 {
        define(s, &format!("CREATE TABLE fresh{n} (k int PRIMARY KEY, v text)")).await?;
        let insert = s.prepare(format!("INSERT INTO fresh{n} (k, v) VALUES (?, ?)")).await?;
        execute(s, &insert, query_values!(n, format!("f{n}"))).await?;
        let got = run(s, &format!("SELECT v FROM fresh{n} WHERE k = {n}")).await?;
        let v: Option<String> = got.first().ok_or("the row is gone")?.get_by_name("v")?;
        println!("fresh: {n} {v:?}");
    }
    Ok(())
}

async fn altered(s: &mut Current, _: &Args) -> Outcome {
    let read = s.prepare("SELECT * FROM fresh1 WHERE k = ?").await?;
    let got = execute(s, &read, query_values!(1)).await?;
    println!("alter: before {}", got.first().ok_or("the row is gone")?.contains_column("extra"));
    define(s, "ALTER TABLE fresh1 ADD extra int").await?;
    run(s, "INSERT INTO fresh1 (k, v, extra) VALUES (1, 'f1', 11)").await?;
    let again = s.prepare("SELECT k, v, extra FROM fresh1 WHERE k = ?").await?;
    let got = execute(s, &again, query_values!(1)).await?;
    let extra: Option<i32> = got.first().ok_or("the row is gone")?.get_by_name("extra")?;
    println!("alter: after {extra:?}");
    Ok(())
}

async fn second(s: &mut Current, args: &Args) -> Outcome {
    let mut events = s.create_event_receiver();
    let other = connect(args, Some(args.get("keyspace", "smoke_cdrs"))).await?;
    let got = ask(&other, "SELECT v FROM ids WHERE k = ?", query_values!(uid(1))).await?;
    println!("second session: {:?}", ints(&got)?);
    define(&other, "CREATE TABLE seen (k int PRIMARY KEY, v text)").await?;
    let seen = async {
        loop {
            let event = format!("{:?}", events.recv().await);
            if event.contains("\"seen\"") {
                return event;
            }
        }
    };
    let event = tokio::time::timeout(Duration::from_secs(30), seen).await?;
    println!("schema of another session seen: {event}");
    Ok(())
}

async fn reconnect(s: &Current, input: &mut Input) -> Outcome {
    let read = s.prepare("SELECT v FROM ids WHERE k = ?").await?;
    println!("reconnect: before {:?}", ints(&execute(s, &read, query_values!(uid(1))).await?)?);
    println!("@restart");
    input.next_line().await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match execute(s, &read, query_values!(uid(1))).await {
            Ok(got) => {
                println!("reconnect: after {:?}", ints(&got)?);
                return Ok(());
            }
            Err(e) if Instant::now() > deadline => return Err(e),
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
    let mut s = connect(&args, None).await?;
    println!("connected");
    let mut fine = true;
    macro_rules! sections {
        ($($name:ident),*) => {$(
            fine &= report(stringify!($name), $name(&mut s, &args).await);
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
        altered,
        second
    );
    fine &= report("reconnect", reconnect(&s, &mut lines).await);
    println!("end");
    std::process::exit(i32::from(!fine));
}
