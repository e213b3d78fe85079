//! `config/shardlane.schema.json`: the file's JSON schema, for editors and for checks before a roll-out.

use serde_json::{Map, Value, json};

use super::{compare, paragraph};
use crate::config::setting::{Form, Setting, SettingKind};
use crate::config::settings::Settings;
use crate::config::table::GROUPS;
use crate::config::table::group::Group;

#[test]
fn the_schema_is_what_the_table_says() {
    let mut defaults = Settings::default();
    let mut root = Map::new();
    for group in &GROUPS {
        let settings = properties(group, &mut defaults);
        if group.table.is_empty() {
            root.extend(settings);
            continue;
        }
        let mut table = object(settings);
        if !group.about.is_empty() {
            table["description"] = group.about.into();
        }
        root.insert(group.table.to_owned(), table);
    }
    let mut schema = object(root);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "Configuration file of shardlane".into();
    compare("config/shardlane.schema.json", &format!("{schema:#}\n"));
}

fn object(properties: Map<String, Value>) -> Value {
    let properties = Value::Object(properties);
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn properties(group: &Group, defaults: &mut Settings) -> Map<String, Value> {
    let property = |setting: &'static Setting| {
        let mut schema = kind(setting);
        schema["description"] = paragraph(setting).into();
        let text = setting.show(defaults);
        if !text.is_empty() {
            schema["default"] = match setting.kind {
                SettingKind::Number { .. } => text.parse::<u64>().unwrap().into(),
                SettingKind::Switch { .. } => (text == "true").into(),
                SettingKind::Name { .. } | SettingKind::File { .. } | SettingKind::Text { .. } => {
                    text.into()
                }
            };
        }
        (setting.place().1.to_owned(), schema)
    };
    group.settings.iter().map(property).collect()
}

/// The type of a setting. Where only the program can judge a text, any text that is not empty goes.
fn kind(setting: &Setting) -> Value {
    match setting.kind {
        SettingKind::Number { min, max, .. } => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        SettingKind::Switch { .. } => json!({ "type": "boolean" }),
        SettingKind::Name { .. }
        | SettingKind::File { .. }
        | SettingKind::Text { form: Form::Plain, .. } => {
            json!({ "type": "string", "minLength": 1 })
        }
        SettingKind::Text { form: Form::Words(words), .. } => json!({ "enum": words }),
        SettingKind::Text { form: Form::List, .. } => {
            json!({ "type": "array", "items": { "type": "string", "minLength": 1 } })
        }
        SettingKind::Text { form: Form::WordList(words), .. } => {
            json!({ "type": "array", "items": { "enum": words } })
        }
        SettingKind::Text { form: Form::Routes, .. } => json!({
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["from", "to"],
                "properties": {
                    "from": { "type": "string", "minLength": 1 },
                    "to": { "type": "string", "minLength": 1 },
                    "shard_aware_port": { "type": "integer", "minimum": 1, "maximum": 65535 },
                },
            },
        }),
    }
}
