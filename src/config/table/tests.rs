//! The table holds together: names, ranges, defaults and words.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::config::file;
use crate::config::setting::{Form, SettingKind};
use crate::config::settings::Settings;

#[test]
fn each_key_is_in_its_table_and_each_name_is_there_once() {
    let mut names = BTreeSet::new();
    for group in &GROUPS {
        for setting in group.settings {
            assert_eq!(setting.place().0.unwrap_or_default(), group.table, "{}", setting.key);
            for name in [setting.key.to_owned(), setting.variable(), setting.flag_name()] {
                // A key before all tables may be its own flag.
                assert!(names.insert(name.clone()) || name == setting.key, "{name} twice");
            }
        }
    }
}

#[test]
fn names_of_variables_flags_and_units_follow_from_the_key() {
    let setting = find("limits.outbox_high_bytes").unwrap();
    assert_eq!(setting.variable(), "SHARDLANE_LIMITS_OUTBOX_HIGH_BYTES");
    assert_eq!(setting.flag_name(), "limits-outbox-high-bytes");
    let units = [
        ("limits.frame_body_bytes_max", "bytes"),
        ("limits.outbox_high_bytes", "bytes"),
        ("timeouts.drain_ms", "milliseconds"),
        ("auth.recheck_s", "seconds"),
        ("retries.floor_per_s", "per second"),
        ("retries.percent", "percent"),
        ("limits.clients_max", ""),
    ];
    for (key, unit) in units {
        assert_eq!(find(key).unwrap().unit(), unit, "{key}");
    }
}

#[test]
fn a_number_holds_its_bounds_and_has_its_default_between_them() {
    let mut settings = Settings::default();
    for setting in all() {
        let SettingKind::Number { min, max, field } = setting.kind else { continue };
        let default = field(&mut settings).get();
        assert!((min..=max).contains(&default), "{}: {default}", setting.key);
        for value in [min, max, default] {
            field(&mut settings).set(value);
            assert_eq!(field(&mut settings).get(), value, "{}", setting.key);
        }
        for text in [format!("{}", max + 1), "-1".to_owned(), "1x".to_owned(), "_".to_owned()] {
            assert!(setting.read(&text, &mut settings).is_err(), "{} took {text}", setting.key);
        }
        assert_eq!(field(&mut settings).get(), default, "{}", setting.key);
    }
    assert_eq!(settings, Settings::default());
}

#[test]
fn a_default_read_as_text_is_the_default() {
    let mut settings = Settings::default();
    for setting in all() {
        let text = setting.show(&mut settings);
        if !text.is_empty() {
            setting.read(&text, &mut settings).unwrap();
        }
    }
    assert_eq!(settings, Settings::default());
}

#[test]
fn a_setting_without_default_has_an_example_that_it_takes() {
    let mut settings = Settings::default();
    for setting in all() {
        let has_default = !setting.show(&mut settings).is_empty();
        assert_ne!(has_default, !setting.example.is_empty(), "{}", setting.key);
        if !has_default {
            let line = format!("{} = {}", setting.key, setting.example);
            let file = file::read(&line, Path::new("example"));
            assert!(file.faults.is_empty(), "{line}: {:#?}", file.faults);
            let (text, _) = &file.values[setting.key];
            setting.read(text, &mut settings).unwrap();
            assert_eq!(setting.show(&mut settings), *text);
            settings = Settings::default();
        }
    }
}

#[test]
fn each_word_of_a_setting_is_taken_and_no_other() {
    let mut settings = Settings::default();
    for setting in all() {
        let SettingKind::Text { form: Form::Words(words) | Form::WordList(words), .. } =
            setting.kind
        else {
            continue;
        };
        for word in words {
            setting.read(word, &mut settings).unwrap();
            assert_eq!(setting.show(&mut settings), *word);
        }
        assert!(setting.read("other", &mut settings).is_err(), "{}", setting.key);
    }
}

#[test]
fn each_setting_says_what_it_is_and_why() {
    for setting in all() {
        let (what, why) = (setting.what, setting.why);
        assert!(!what.is_empty() && !what.ends_with('.'), "{}: {what}", setting.key);
        assert!(why.ends_with('.'), "{}: {why}", setting.key);
        for text in [what, why] {
            assert!(!text.contains("  ") && !text.contains('|'), "{}: {text}", setting.key);
        }
    }
}
