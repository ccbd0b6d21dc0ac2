//! The shape of `--json`: one object a line, `message_type` and `schema_version` in each.
//!
//! The message types `status`, `summary`, `error`, `exit_error`, `snapshot`, `node`, `change`,
//! `statistics` are those of restic where it has them. Fields may be added within one schema
//! version, never changed or removed.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// Raised when a field changes its meaning or goes.
const SCHEMA_VERSION: u32 = 1;

/// One line. `fields` is an object; its fields stand beside the two of every message.
pub(crate) fn line(message_type: &str, fields: Value) -> String {
    let mut message = Map::new();
    message.insert("message_type".to_owned(), message_type.into());
    message.insert("schema_version".to_owned(), SCHEMA_VERSION.into());
    if let Value::Object(fields) = fields {
        message.extend(fields);
    }
    Value::Object(message).to_string()
}

/// The fields of `exit_error`.
pub(crate) fn failure(failure: &Failure) -> Value {
    json!({
        "code": failure.class.code(),
        "class": failure.class.word(),
        "message": failure.message,
        "causes": failure.causes,
        "hints": failure.hints,
    })
}

/// Adds a name or path under `key`: as text, and where the bytes are not UTF-8 also as hex under
/// `key_hex`, so that no name is lost.
pub(crate) fn put_bytes(fields: &mut Value, key: &str, bytes: &[u8]) {
    let Value::Object(fields) = fields else {
        return;
    };
    fields.insert(
        key.to_owned(),
        String::from_utf8_lossy(bytes).into_owned().into(),
    );
    if std::str::from_utf8(bytes).is_err() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        fields.insert(format!("{key}_hex"), hex.into());
    }
}

/// The fields of `error`: one file that could not be handled while the rest went on.
pub(crate) fn problem(path: &Path, message: &str, during: &str) -> Value {
    let mut fields = json!({ "error": { "message": message }, "during": during });
    put_bytes(&mut fields, "item", path.as_os_str().as_encoded_bytes());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Class;

    #[test]
    fn every_line_names_its_type_and_schema() {
        assert_eq!(
            line("summary", json!({ "files_new": 3 })),
            r#"{"files_new":3,"message_type":"summary","schema_version":1}"#
        );
    }

    #[test]
    fn a_failure_carries_code_class_and_hints() {
        let failed = Failure::new(Class::WrongCredential, "no").hint("try again");
        assert_eq!(
            line("exit_error", failure(&failed)),
            r#"{"causes":[],"class":"wrong_credential","code":12,"hints":["try again"],"message":"no","message_type":"exit_error","schema_version":1}"#
        );
    }

    #[test]
    fn a_name_that_is_not_text_is_not_lost() {
        let mut fields = json!({});
        put_bytes(&mut fields, "path", b"a\xff");
        assert_eq!(fields, json!({ "path": "a\u{fffd}", "path_hex": "61ff" }));
    }
}
