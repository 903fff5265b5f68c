//! Python models: what dbt reads of one, as a template that reads the same.
//!
//! In: the code of a Python model. Out: a template with its `dbt.ref(…)`, `dbt.source(…)` and
//! `dbt.config(…)` on their lines, which refuses to be built.
//! Never: runs Python.
//! Fails: never; what cannot be read is an error of the template, on its line.
//! Source: <https://docs.getdbt.com/docs/build/python-models>; on warehouses without Python dbt
//! reads such a project, and ends the model alone with an error.

/// What building the model says.
const REFUSAL: &str = "{% if execute %}{{ exceptions.raise_compiler_error(\"Python models cannot be built, the warehouse runs no Python; write it in SQL, or switch it off with `enabled: false`\") }}{% endif %}";

/// The calls that say something about the model.
const CALLS: [&str; 3] = ["ref", "source", "config"];

/// The template that stands for the code of a Python model.
pub(super) fn template(code: &str) -> String {
    let (clean, bare) = (masked(code, false), masked(code, true));
    let (mut out, mut seen) = (String::new(), 0);
    for (at, word) in bare.match_indices("dbt.") {
        let inside = |one: char| one.is_alphanumeric() || matches!(one, '_' | '.');
        let Some(open) = opening(&bare, at + word.len()) else { continue };
        let Some(end) = closing(&bare, open) else { continue };
        if at < seen || bare[..at].ends_with(inside) {
            continue;
        }
        out.extend(bare[seen..at].matches('\n'));
        out.push_str(&format!("{{{{ {}{} }}}}", bare[at + word.len()..open].trim_end(), &clean[open..end]));
        seen = end;
    }
    out + REFUSAL
}

/// Where the arguments of one of the calls begin.
fn opening(bare: &str, at: usize) -> Option<usize> {
    let name = CALLS.iter().find(|name| bare[at..].starts_with(**name))?;
    let behind = &bare[at + name.len()..];
    let blank = behind.len() - behind.trim_start().len();
    behind.trim_start().starts_with('(').then_some(at + name.len() + blank)
}

/// The place behind the bracket that closes the one at `open`.
fn closing(bare: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, one) in bare[open..].char_indices() {
        match one {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(open + at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The code with blanks in place of its comments, and of its texts if they are not wanted.
fn masked(code: &str, texts: bool) -> String {
    let bytes = code.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while let Some(one) = bytes.get(at) {
        let end = match one {
            b'#' => bytes[at..].iter().position(|one| *one == b'\n').map_or(bytes.len(), |many| at + many),
            b'"' | b'\'' => text_end(bytes, at),
            _ => at + 1,
        };
        if *one == b'#' || (texts && end > at + 1) {
            out[at..end].iter_mut().filter(|one| **one != b'\n').for_each(|one| *one = b' ');
        }
        at = end;
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Where a text that begins here ends.
fn text_end(bytes: &[u8], from: usize) -> usize {
    let three = [bytes[from]; 3];
    let mark = if bytes[from..].starts_with(&three) { &three[..] } else { &three[..1] };
    let mut at = from + mark.len();
    while at < bytes.len() {
        if bytes[at..].starts_with(mark) {
            return at + mark.len();
        }
        if bytes[at] == b'\n' && mark.len() == 1 {
            return at;
        }
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn what_a_python_model_reads_stands_in_its_template_on_its_line() {
        let code = "import pandas as pd  # dbt.ref('no')\n\ndef model(dbt, session):\n    dbt.config(\n        materialized=\"table\",  # (always)\n    )\n    doc = \"\"\"dbt.ref('nor')\n\"\"\"\n    a = dbt.ref('it\\'s'); b = dbt . x\n    other_dbt.ref('x'); dbt.config.get('y'); dbt.source( 'raw', \"orders\")\n    return a\n";
        let read = template(code);
        let read = read.split_once("{% if execute").unwrap().0;
        let lines = read.lines().enumerate().filter(|(_, line)| !line.is_empty());
        let lines: Vec<String> = lines.map(|(at, line)| format!("{} {}", at + 1, line.trim())).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        4 {{ config(
        5 materialized="table",
        6 ) }}
        9 {{ ref('it\'s') }}
        10 {{ source( 'raw', "orders") }}
        "#);
    }

    #[test]
    fn any_code_gives_a_template() {
        for code in ["", "'", "dbt.ref(", "\"\\", "dbt.config((", "'''dbt.ref('a')", "é = dbt.ref(\"é\")"] {
            assert!(template(code).contains("raise_compiler_error"), "{code}");
        }
    }
}
