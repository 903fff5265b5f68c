//! `ledger show|verify`: the record of an executor, read and judged offline.
//!
//! In: a ledger file, or the data folder of an executor. Out: text and a verdict.
//! Never: writes, or asks anybody. Fails: with `CD0016`; a ledger that was changed is no failure
//! of the command but its answer, with exit code 1.
//! Source: `docs/adr/0009-ledger-hash-chain-and-group-commit.md`.

use std::{
    fs::File,
    io::{BufReader, Write},
    path::{Path, PathBuf},
};

use cofferdam_ledger::{Head, Verdict, VerifyOptions, render, show, verify};
use serde_json::json;

use crate::{
    failure::{Failure, NO_LEDGER, Outcome},
    folder::Folder,
    text::{self, Colour, Paint},
};

/// A ledger and its name for people.
pub type Found = (String, PathBuf);

/// The ledgers meant: one given, or those of the executors of `cofferdam up`.
pub fn find(data: Option<&Path>, folder: impl FnOnce() -> Outcome<Folder>) -> Outcome<Vec<Found>> {
    let none = |what: String| {
        let fix = "name an executor's data folder, or a ledger.jsonl, with --data";
        Failure::new(NO_LEDGER, what, fix)
    };
    if let Some(data) = data {
        let inside = ["ledger/ledger.jsonl", "ledger.jsonl"].map(|file| data.join(file));
        let place =
            if data.is_file() { Some(data.to_owned()) } else { inside.into_iter().find(|f| f.is_file()) };
        let place = place.ok_or_else(|| none(format!("there is no ledger in `{}`", data.display())))?;
        return Ok(vec![(place.display().to_string(), place)]);
    }
    let folder = folder()?;
    let found: Vec<Found> = ["executor-run", "executor-apply"]
        .iter()
        .map(|name| ((*name).to_owned(), folder.inner(name).join("ledger/ledger.jsonl")))
        .filter(|(_, file)| file.is_file())
        .collect();
    if found.is_empty() {
        Err(none("no executor of this project has a ledger yet".to_owned()))
    } else {
        Ok(found)
    }
}

fn open(file: &Path) -> Outcome<BufReader<File>> {
    File::open(file).map(BufReader::new).map_err(|e| Failure::file("read", file, &e))
}

/// Prints every record. `task` keeps those of one task.
pub fn show_to(out: &mut impl Write, file: &Path, task: Option<&str>, as_json: bool) -> Outcome<()> {
    let fail = |e: std::io::Error| Failure::file("read", file, &e);
    let mut last = 0;
    for record in show(open(file)?) {
        let record = record.map_err(fail)?.map_err(|malformed| {
            Failure::new(
                NO_LEDGER,
                format!("the record after {last} cannot be read"),
                "run `cofferdam ledger verify`",
            )
            .because(&malformed)
        })?;
        last = record.seq.0;
        if task.is_some_and(|task| record.event.at().is_none_or(|at| at.task.as_str() != task)) {
            continue;
        }
        let line = if as_json {
            let mut value = serde_json::to_value(&record.event).unwrap_or_default();
            value["seq"] = json!(record.seq);
            value["prev"] = json!(record.prev);
            value["time"] = json!(record.time);
            value.to_string()
        } else {
            render(&record)
        };
        // A reader that has gone away (`| head`) wants no more.
        if writeln!(out, "{line}").is_err() {
            break;
        }
    }
    Ok(())
}

/// Reads where a ledger stood: `SIZE:SHA256`.
pub fn head(text: &str) -> Result<Head, String> {
    let wrong = || format!("`{}` is not SIZE:SHA256, such as 812:{}", text::tame(text), "e3b0…");
    let (size, hash) = text.split_once(':').ok_or_else(wrong)?;
    Ok(Head { size: size.parse().map_err(|_| wrong())?, hash: hash.parse().map_err(|_| wrong())? })
}

/// Judges one ledger: the verdict, and whether it is whole and stood where it is known to have.
pub fn verify_file(
    name: &str,
    file: &Path,
    expect_head: Option<Head>,
    as_json: bool,
    paint: Paint,
) -> Outcome<(String, bool)> {
    let options = VerifyOptions { expect_head };
    let verdict = verify(open(file)?, &options).map_err(|e| Failure::file("read", file, &e))?;
    let text = if as_json { json_verdict(name, &verdict) } else { words(name, &verdict, paint) };
    Ok((text, matches!(verdict, Verdict::Whole(_))))
}

fn json_verdict(name: &str, verdict: &Verdict) -> String {
    let value = match verdict {
        Verdict::Whole(summary) => json!({
            "ledger": name, "whole": true, "records": summary.head.size, "head": summary.head.hash,
            "gaps": summary.gaps, "intents_open": summary.intents_open,
        }),
        Verdict::Bad(bad) => json!({
            "ledger": name, "whole": false, "line": bad.line, "record": bad.seq, "flaw": bad.to_string(),
        }),
    };
    format!("{value}\n")
}

fn words(name: &str, verdict: &Verdict, paint: Paint) -> String {
    match verdict {
        Verdict::Whole(summary) => {
            let mut out = format!(
                "{}  {name}: {}, each follows from the one before\n",
                paint.paint(Colour::Green, "whole"),
                text::count(summary.head.size, "record")
            );
            out.push_str(&format!("       head sha256:{}\n", summary.head.hash));
            if let Some((first, last)) = summary.span {
                out.push_str(&format!("       from {first} to {last}\n"));
            }
            if summary.gaps > 0 {
                let gaps = text::count(summary.gaps, "place");
                out.push_str(&format!(
                    "       {gaps} where the executor itself says records may be missing\n"
                ));
            }
            if summary.intents_open > 0 {
                let open = text::count(summary.intents_open, "call");
                out.push_str(&format!(
                    "       {open} begun without a result: in flight, or the executor died\n"
                ));
            }
            out
        }
        Verdict::Bad(bad) => format!("{}    {name}: {bad}\n", paint.paint(Colour::Red, "bad")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("ledger/ledger.jsonl");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        (temp, file)
    }

    #[test]
    fn a_ledger_is_found_by_data_folder_ledger_folder_and_file() {
        let (temp, file) = folder();
        fs::write(&file, "").unwrap();
        let nowhere = || Ok(Folder::at("/nonexistent"));
        for place in [temp.path(), file.parent().unwrap(), &file] {
            assert_eq!(find(Some(place), nowhere).unwrap()[0].1, file);
        }
        let error = find(None, nowhere).unwrap_err();
        insta::assert_snapshot!(error.render(), @r"
        error[CD0016]: no executor of this project has a ledger yet
          fix: name an executor's data folder, or a ledger.jsonl, with --data
        ");
    }

    #[test]
    fn a_file_that_is_no_ledger_names_its_first_bad_record() {
        let (_temp, file) = folder();
        fs::write(&file, "{\"seq\":0}\n").unwrap();
        let (text, whole) = verify_file("executor-run", &file, None, false, Paint::off()).unwrap();
        assert!(!whole);
        assert!(text.starts_with("bad    executor-run: line 1: "), "{text}");
        let (json, _) = verify_file("executor-run", &file, None, true, Paint::off()).unwrap();
        assert!(json.contains("\"whole\":false"), "{json}");
    }

    #[test]
    fn a_ledger_that_ends_before_it_is_known_to_have_stood_is_bad() {
        let (_temp, file) = folder();
        fs::write(&file, "").unwrap();
        let known = |text: &str| {
            let expected = Some(head(text).unwrap());
            verify_file("executor-run", &file, expected, false, Paint::off()).unwrap()
        };
        let zeroes = "0".repeat(64);
        assert!(known(&format!("0:{zeroes}")).1);
        let (text, whole) = known(&format!("3:sha256:{zeroes}"));
        assert!(!whole && text.starts_with("bad    executor-run: line 1: "), "{text}");
        for wrong in ["", "3", "3:", ":00", "x:00", "-1:00"] {
            assert!(head(wrong).is_err(), "{wrong}");
        }
    }
}
