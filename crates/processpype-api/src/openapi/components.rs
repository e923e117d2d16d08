//! The schemas of what goes over the wire.
//!
//! They follow from the types, and are the same in every application. So the test below makes them,
//! and a program carries `components.json` instead of what would make them anew.

use std::collections::BTreeMap;

use serde_json::Value;

const COMPONENTS: &str = include_str!("components.json");

/// Returns every schema with its name.
pub(super) fn components() -> BTreeMap<String, Value> {
    serde_json::from_str(COMPONENTS).expect("a test has read the file")
}

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;
    use schemars::transform::RecursiveTransform;
    use schemars::{JsonSchema, Schema, SchemaGenerator};

    use super::*;
    use crate::openapi::words;
    use crate::*;

    impl JsonSchema for Problem {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "Problem".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
            schemars::json_schema!({
                "description": "An error answer (RFC 9457).",
                "type": "object",
                "required": ["type", "title", "status", "code", "detail"],
                "additionalProperties": false,
                "properties": {
                    "type": { "type": "string", "format": "uri-reference",
                        "description": "Where the problem is documented." },
                    "title": { "type": "string", "description": "The same for all of a code." },
                    "status": { "type": "integer", "minimum": 400, "maximum": 599 },
                    "code": { "type": "string", "enum": words, "description": "The stable code." },
                    "detail": { "type": "string", "description": "What happened here." },
                    "instance": { "type": "string", "format": "uri-reference",
                        "description": "The path of the request." },
                    "help": { "type": "string", "description": "What to do." },
                    "service": { "type": "string", "description": "The service it is about." },
                    "state": generator.subschema_for::<ServiceState>(),
                    "provider": { "type": "string", "description": "The provider in the way." },
                    "operation": { "type": "integer", "minimum": 0,
                        "description": "The operation it is about." },
                    "errors": generator.subschema_for::<Vec<Fault>>(),
                    "unready": generator.subschema_for::<Vec<Unready>>(),
                }
            })
        }
    }

    fn generator() -> SchemaGenerator {
        SchemaSettings::draft2020_12()
            .with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
            .with_transform(RecursiveTransform(words::enumerate))
            .for_serialize()
            .into_generator()
    }

    macro_rules! with_all {
        ($generator:ident, $($of:ty),+ $(,)?) => {
            $( $generator.subschema_for::<$of>(); )+
        };
    }

    /// Makes the schemas of what endpoints take and answer, and of what is in that; one on a line.
    fn made() -> String {
        let mut generator = generator();
        with_all!(
            generator,
            Accepted,
            ApplicationStatus,
            CommandAnswer,
            CommandBody,
            ConfigAnswer,
            Diagnosis,
            EventPage,
            Graph,
            GroupList,
            Info,
            LevelBody,
            LevelChanged,
            LevelStatus,
            Levels,
            LogPage,
            Operation,
            OperationPage,
            Plan,
            Probe,
            RegisterBody,
            Reloaded,
            RestartsPaused,
            ServiceConfig,
            ServiceDetail,
            ServiceList,
            ShuttingDown,
            Timeline,
            Why,
            Problem,
        );
        let definitions = generator.take_definitions(true);
        let line = |(name, schema): (&String, &Value)| format!("{name:?}:{schema}");
        let lines: Vec<String> = definitions.iter().map(line).collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }

    #[test]
    fn the_file_is_made_from_the_types() {
        let made = made();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/openapi/components.json");
            std::fs::write(file, &made).expect("the file is written");
            return;
        }
        assert_eq!(made, COMPONENTS, "components.json differs; UPDATE_GOLDEN=1 writes it anew");
        assert!(components().contains_key("Problem"));
    }
}
