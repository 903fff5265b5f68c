//! Templates beside what Jinja 3.1 in Python makes of them (`corpus.jsonl`; `null`: an error).

use super::told;

/// Templates whose text or error is another here, on purpose.
const DIFFERENT: [&str; 1] = [
    // dbt leaves a text without Jinja alone.
    "a\r\nb\rc\n",
];

#[test]
fn templates_become_what_python_makes_of_them() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    for line in include_str!("corpus.jsonl").lines() {
        let (template, wanted): (String, Option<String>) = serde_json::from_str(line).unwrap();
        cases += 1;
        let found = told(&template);
        let fits = match &wanted {
            Some(wanted) => found == *wanted,
            None => found.starts_with("! models/orders.sql:1: "),
        };
        if !fits && !DIFFERENT.contains(&template.as_str()) {
            wrong.push(format!("{template}\n   wanted {wanted:?}\n   found  {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
}
