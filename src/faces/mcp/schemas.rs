//! JSON Schemas of tools' arguments and answers, from their types.
//!
//! Plain ones, as every client takes them: without references, and without `null` where an argument may be left out.

use rmcp::model::JsonObject;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

/// Of the arguments of a tool.
pub fn input<T: JsonSchema>() -> JsonObject {
    let mut schema = root::<T>();
    without_null(&mut schema);
    object(schema)
}

/// Of an answer. Its optional fields may be missing or `null`.
pub fn output<T: JsonSchema>() -> JsonObject {
    object(root::<T>())
}

fn root<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    Schema::to_value(settings.into_generator().into_root_schema_for::<T>())
}

fn object(schema: Value) -> JsonObject {
    let Value::Object(mut schema) = schema else { return JsonObject::new() };
    schema.remove("title");
    // A tool without arguments.
    schema.entry("properties").or_insert_with(|| json!({}));
    schema
}

fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|one| one != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    map.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(values)) = map.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            if let Some(Value::Array(any)) = map.get_mut("anyOf") {
                any.retain(|one| one != &json!({"type": "null"}));
                if let [Value::Object(one)] = any.as_slice() {
                    let one = one.clone();
                    map.remove("anyOf");
                    for (key, value) in one {
                        map.entry(key).or_insert(value);
                    }
                }
            }
            map.remove("default");
            map.values_mut().for_each(without_null);
        }
        Value::Array(values) => values.iter_mut().for_each(without_null),
        _ => {}
    }
}
