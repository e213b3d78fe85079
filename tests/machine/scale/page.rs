//! The page with what is measured.

use std::env;
use std::fs;

use super::cold;
use super::demand;
use super::demand::Scene;
use super::restart;

const PAGE: &str = "docs/scale.md";

/// Puts `table` between the page's marks of this name.
fn insert(page: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}{table}{end}{after}")
}

fn demand_table() -> String {
    let mut table = String::from(
        "| nodes × shards | requests/s | `lanes.idle_close_s` | lanes opened ahead | lanes in the mean | requests to their own shard | lanes opened for 100 requests |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (nodes, shards, requests_per_s, idle_close_s) in [
        (3, 8, 1, 60),
        (3, 8, 10, 60),
        (100, 64, 10, 60),
        (100, 64, 10, 600),
        (100, 64, 100, 60),
        (100, 64, 100, 300),
    ] {
        let scene = Scene { nodes, shards, requests_per_s, idle_close_s };
        let outcome = demand::run(scene);
        let all = u64::from(nodes) * u64::from(shards);
        assert!(outcome.lanes >= u64::from(nodes) && outcome.lanes <= all, "{scene:?} {outcome:?}");
        table += &format!(
            "| {nodes} × {shards} | {requests_per_s} | {idle_close_s} | {all} | {} | {} % | {} |\n",
            outcome.lanes, outcome.routed_percent, outcome.opened_percent,
        );
    }
    table
}

#[test]
fn the_page_shows_what_is_measured() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (restarts, demands, colds) = (restart::table(), demand_table(), cold::table());
    let tables = [("measured", &restarts), ("demand", &demands), ("cold", &colds)];
    let fresh =
        tables.into_iter().fold(page.clone(), |page, (name, table)| insert(&page, name, table));
    if env::var_os("SHARDLANE_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(PAGE, &fresh).unwrap();
    } else {
        assert!(
            page == fresh,
            "{PAGE} is stale: SHARDLANE_GOLDEN=write writes it anew:\n{restarts}{demands}{colds}"
        );
    }
}
