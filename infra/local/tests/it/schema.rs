//! A checker for the part of JSON Schema that Fly's document uses: type, properties, items, enum, allOf, $ref.

use serde_json::Value;

/// Every way in which `value` is not what `schema` says. Null is taken for absent, as Go does.
pub fn violations(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        let target =
            document.pointer(pointer).unwrap_or_else(|| panic!("{reference} is not in the document"));
        return violations(document, target, value, place);
    }
    let mut found: Vec<String> = Vec::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        found.extend(violations(document, part, value, place));
    }
    if value.is_null() {
        return found;
    }
    let fits = match schema["type"].as_str() {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some(other) => panic!("{other} is not a type of this checker"),
    };
    if !fits {
        found.push(format!("{place} is not {}: {value}", schema["type"]));
        return found;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        found.push(format!("{place} is {value}, not one of {allowed:?}"));
    }
    for (index, member) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(violations(document, &schema["items"], member, &format!("{place}[{index}]")));
    }
    let declared = schema["properties"].as_object();
    for (name, member) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match (declared.and_then(|fields| fields.get(name)), &schema["additionalProperties"]) {
            (Some(field), _) => found.extend(violations(document, field, member, &place)),
            (None, Value::Object(_)) => {
                found.extend(violations(document, &schema["additionalProperties"], member, &place));
            }
            // An object of which nothing is said may hold anything.
            (None, _) if declared.is_none() => {}
            (None, _) => found.push(format!("{place} is not declared")),
        }
    }
    found
}

#[test]
fn the_checker_finds_wrong_types_undeclared_fields_and_words_outside_an_enum() {
    let document = serde_json::json!({"defs": {"word": {"type": "string", "enum": ["a"]}}});
    let schema = serde_json::json!({
        "type": "object",
        "properties": {"word": {"$ref": "#/defs/word"}, "list": {"type": "array", "items": {"type": "integer"}}},
    });
    let check = |value: Value| violations(&document, &schema, &value, "$");
    assert!(check(serde_json::json!({"word": "a", "list": [1, 2]})).is_empty());
    assert_eq!(check(serde_json::json!({"word": "b"})).len(), 1);
    assert_eq!(check(serde_json::json!({"list": [1, "2"]})).len(), 1);
    assert_eq!(check(serde_json::json!({"other": 1})).len(), 1);
    assert_eq!(check(serde_json::json!([])).len(), 1);
}
