//! Names that are no setting, and the setting that each resembles.

use strsim::damerau_levenshtein;

use crate::config::setting::Setting;
use crate::config::table;

/// More slips of the pen than these make another word.
const SLIPS_MAX: usize = 3;

/// The key that `path` of the file resembles. The path of a table resembles a table.
#[must_use]
pub(crate) fn key(path: &str, is_table: bool) -> Option<String> {
    if is_table {
        let tables = table::GROUPS.iter().map(|group| group.table);
        return nearest(path, tables.filter(|table| !table.is_empty()));
    }
    // The right name in the wrong table is the likeliest slip.
    let (_, name) = path.rsplit_once('.').unwrap_or(("", path));
    let same_name = table::all().find(|setting| setting.place().1 == name);
    match same_name {
        Some(setting) => Some(setting.key.to_owned()),
        None => nearest(path, table::all().map(|setting| setting.key)),
    }
}

/// The variable that `name` resembles.
#[must_use]
pub(crate) fn variable(name: &str) -> Option<String> {
    nearest(name, table::all().map(Setting::variable))
}

/// The sentence about a name that is no setting, and about the one that it resembles.
#[must_use]
pub(crate) fn unknown(name: &str, suggestion: Option<&str>) -> String {
    match suggestion {
        Some(suggestion) => format!("there is no setting `{name}`; did you mean `{suggestion}`?"),
        None => format!("there is no setting `{name}`; `shardlane check` lists all settings"),
    }
}

/// The candidate that `name` differs from by the fewest slips.
fn nearest(name: &str, candidates: impl Iterator<Item = impl AsRef<str>>) -> Option<String> {
    let name = bare(name);
    let slips_max = (name.len() / 3).clamp(1, SLIPS_MAX);
    let rated = candidates.map(|other| {
        let other = other.as_ref().to_owned();
        (damerau_levenshtein(&name, &bare(&other)), other)
    });
    let (slips, nearest) = rated.min()?;
    (slips <= slips_max).then_some(nearest)
}

/// A name without what is easily got wrong: case, and where words end.
fn bare(name: &str) -> String {
    name.to_lowercase().replace(['_', '-', '.'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_shown_with_the_setting_that_it_resembles() {
        let cases = [
            ("prot", false, Some("port")),
            ("contact-points", false, Some("contact_points")),
            ("limits.client_max", false, Some("limits.clients_max")),
            ("limits.client_in_flite_max", false, Some("limits.client_in_flight_max")),
            ("limits.client_in_flew_max", false, None),
            ("clients_max", false, Some("limits.clients_max")),
            ("timeouts.heartbeat_s", false, Some("lanes.heartbeat_s")),
            ("limts", true, Some("limits")),
            ("tls_bind", true, None),
            ("password", false, None),
            ("auth.password", false, None),
        ];
        for (path, is_table, suggestion) in cases {
            assert_eq!(key(path, is_table).as_deref(), suggestion, "{path}");
        }
    }
}
