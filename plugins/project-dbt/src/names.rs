//! How nodes and relations are named.
//!
//! In: words of the project. Out: ids, schemas, names.
//! Never: reads files.
//! Fails: not at all; [`is_name`] says what is usable.
//! Source: dbt's ids (`model.<project>.<name>`); `wit/task/task.wit` for their letters.

/// The schema of nodes that name none, and what `target.schema` says.
pub const TARGET_SCHEMA: &str = "main";

/// The schema of a node. dbt puts the target's schema in front of a custom one; Cofferdam's target
/// schema is always [`TARGET_SCHEMA`], so a custom schema is used as it is written.
#[must_use]
pub fn schema(custom: Option<&str>) -> &str {
    custom.map(str::trim).filter(|schema| !schema.is_empty()).unwrap_or(TARGET_SCHEMA)
}

/// Whether a word can name a node, a schema or a relation: 1 to 100 letters, digits and `_`.
#[must_use]
pub fn is_name(word: &str) -> bool {
    (1..=100).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A text with everything but letters, digits and `_` made a single `_`, as dbt names tests.
#[must_use]
pub fn flat(text: &str) -> String {
    let mut flat = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            flat.push(c);
        } else if !flat.ends_with('\u{1}') {
            flat.push('\u{1}');
        }
    }
    flat.replace('\u{1}', "_")
}

/// A name cut to a length, told apart from others by a number made of its text.
#[must_use]
pub fn shortened(name: &str, longest: usize) -> String {
    if name.len() <= longest {
        return name.to_owned();
    }
    // FNV-1a: stable everywhere, and only has to tell names of one project apart.
    let number = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{}_{number:016x}", &name[..longest - 17])
}

/// How long a task's id may be.
const TASK_ID_MAX: usize = 200;

/// The id of a node's task: the node's own, made of letters a task id may have and cut to its
/// length where it has to be.
#[must_use]
pub fn task_id(unique_id: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if unique_id.len() <= TASK_ID_MAX && unique_id.chars().all(good) {
        return unique_id.to_owned();
    }
    let plain: String = unique_id.chars().map(|c| if good(c) { c } else { '_' }).collect();
    // Another number than that of `shortened`: names that differ in other letters differ in it.
    let number = unique_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let start = &plain[..plain.len().min(TASK_ID_MAX - 17)];
    format!("{start}.{number:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_schema_is_used_as_it_is_written() {
        assert_eq!(schema(None), "main");
        assert_eq!(schema(Some("marts")), "marts");
        assert_eq!(schema(Some(" ")), "main");
    }

    #[test]
    fn names_of_tests_are_flat_and_short() {
        assert_eq!(flat("ref('airlines')"), "ref_airlines_");
        assert_eq!(flat("a_b c"), "a_b_c");
        let long = "x".repeat(300);
        assert_eq!(shortened(&long, 120).len(), 120);
        assert_ne!(shortened(&long, 120), shortened(&format!("{long}y"), 120));
    }

    #[test]
    fn ids_that_no_task_may_have_are_cut_and_told_apart() {
        assert_eq!(task_id("model.shop.orders"), "model.shop.orders");
        let long = format!("test.shop.{}.0123456789", "x".repeat(300));
        assert_eq!(task_id(&long).len(), 200);
        assert_ne!(task_id(&long), task_id(&format!("{long}0")));
        assert!(task_id("test.shop.é").starts_with("test.shop._."));
    }

    #[test]
    fn a_name_is_letters_digits_and_underscores() {
        assert!(is_name("stg_flights2"));
        for wrong in ["", "a b", "a.b", "a-b", "é", &"x".repeat(101)] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }
}
