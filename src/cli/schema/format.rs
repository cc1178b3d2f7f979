//! A documented format, and how its schema is made of its type.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

/// A documented format.
pub struct Format {
    pub name: &'static str,
    /// The file's path, or the command.
    pub of: &'static str,
    pub make: fn() -> Schema,
}

pub const fn format(name: &'static str, of: &'static str, make: fn() -> Schema) -> Format {
    Format { name, of, make }
}

/// Of a document that teof reads: what may be left out is optional.
pub fn read<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

/// Of a document that teof writes: what is always written is required.
pub fn written<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}
