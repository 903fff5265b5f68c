//! Grant files: what is read, and how mistakes are named.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use cofferdam_bundle::statement::{ReportField, SqlMode};
use cofferdam_grants::{ConfinementNeed, GrantFile, GrantProblem, GrantSet, StatementRule, lint, parse};
use cofferdam_ids::render;

const GUIDE: &str = include_str!("../../../docs/guides/grants.md");

fn guide_example() -> &'static str {
    GUIDE.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()
}

fn read(text: &str) -> GrantFile {
    parse("grants/shop.toml", text).unwrap()
}

fn problem(text: &str) -> GrantProblem {
    parse("grants/shop.toml", text).unwrap_err()
}

#[test]
fn the_example_of_the_guide_is_read() {
    let grant = read(guide_example());
    assert_eq!(grant.id.as_str(), "shop-nightly");
    assert_eq!(grant.expires.to_string(), "2027-04-01T00:00:00Z");
    assert_eq!(grant.require_confinement, [ConfinementNeed::Seccomp, ConfinementNeed::Landlock]);
    assert_eq!((grant.subject.line, grant.sql[0].line, grant.files[0].line), (8, 14, 22));
    assert_eq!((grant.sql[0].mode, grant.sql[0].statements), (SqlMode::Write, StatementRule::Parsed));
    assert_eq!(grant.sql[0].max_rows, 50_000);
    assert!(grant.telemetry.unwrap().log);
    assert_eq!(grant.to_scheduler, [ReportField::DurationS, ReportField::RowsAffected]);
    assert_eq!(grant.limits.mem_bytes, Some(268_435_456));
}

#[test]
fn a_misspelt_key_is_named_with_its_line_and_the_nearest() {
    insta::assert_snapshot!(render(&problem(&guide_example().replace("max_rows ", "max_row "))), @r"
    error[CD0202]: grants/shop.toml:20: sql has no key `max_row`
      fix: write `max_rows`, if that was meant, or delete the line
    ");
    insta::assert_snapshot!(render(&problem(&guide_example().replace("[telemetry]", "[telemtry]"))), @r"
    error[CD0202]: grants/shop.toml:25: the file has no key `telemtry`
      fix: write `telemetry`, if that was meant, or delete the line
    ");
}

#[test]
fn what_only_a_later_version_knows_is_said_so() {
    insta::assert_snapshot!(render(&problem(&format!("{}\n[[http]]\nname = \"fx\"\n", guide_example()))), @r"
    error[CD0205]: grants/shop.toml:35: this version does not know `http` yet
      fix: delete it; this version cannot lend it
    ");
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    insta::assert_snapshot!(render(&problem(&guide_example().replace("\"parsed\"", "\"parse\""))), @r"
    error[CD0204]: grants/shop.toml:17: `statements` knows signed-only, parsed, any, not `parse`
      fix: write `parsed`, if that was meant, or delete the line
    ");
    insta::assert_snapshot!(render(&problem(&guide_example().replace("raw.*", "r*w.x"))), @r"
    error[CD0204]: grants/shop.toml:18: `reads`: `r*w.x` is not `schema.name` or `schema.*`, without quotes
      fix: give the value the guide `grants` describes
    ");
}

#[test]
fn every_mandatory_key_is_missed() {
    for key in
        ["grant_format", "id", "owner", "expires", "project", "tasks", "plugins", "roles", "gateway", "mode"]
    {
        let text: Vec<_> =
            guide_example().lines().filter(|l| l.split([' ', '=']).next() != Some(key)).collect();
        let problem = problem(&text.join("\n"));
        assert!(problem.to_string().contains(&format!("needs the key `{key}`")), "{key}: {problem}");
        assert!(render(&problem).starts_with("error[CD0203]"), "{key}");
    }
}

#[test]
fn foreign_and_empty_values_are_refused() {
    let example = guide_example();
    for (from, to) in [
        ("grant_format = 1", "grant_format = 2"),
        ("\"shop-nightly\"", "\"shop nightly\""),
        ("2027-03-31", "\"2027-03-31\""),
        ("2027-03-31", "2027-03-31T00:00:00"),
        ("[\"run\"]", "[]"),
        ("[\"run\"]", "[\"runs\"]"),
        ("[\"model.shop.*\"]", "[]"),
        ("[\"model.shop.*\"]", "[\"*.shop\"]"),
        ("sha256:ab12", "ab12"),
        ("50000", "-1"),
        ("log = true", "log = \"yes\""),
        ("[[sql]]", "[sql]"),
        ("\"models/\"", "\"../models/\""),
        ("[\"seccomp\"", "[\"secomp\""),
        ("\"duration_s\"", "\"stdout\""),
    ] {
        let changed = example.replacen(from, to, 1);
        assert_ne!(changed, example);
        assert!(render(&problem(&changed)).starts_with("error[CD0204]"), "{to}: {}", problem(&changed));
    }
    assert!(render(&problem("id = ")).starts_with("error[CD0201]"));
    assert!(render(&problem("id = 1\nid = 2")).starts_with("error[CD0201]"));
}

#[test]
fn an_exact_time_is_read_in_any_offset() {
    let grant = read(&guide_example().replace("2027-03-31", "2027-03-31T18:00:00+02:00"));
    assert_eq!(grant.expires.to_string(), "2027-03-31T16:00:00Z");
}

#[test]
fn two_files_with_one_id_are_refused() {
    let twice = GrantSet::from_files(vec![read(guide_example()), parse("b.toml", guide_example()).unwrap()]);
    insta::assert_snapshot!(render(&twice.unwrap_err()), @r"
    error[CD0206]: b.toml:1: grant id `shop-nightly` is taken by grants/shop.toml
      fix: give each grant an id of its own
    ");
}

#[test]
fn the_digest_of_a_set_does_not_hang_on_the_order_of_files() {
    let other = guide_example().replace("shop-nightly", "other");
    let (a, b) = (read(guide_example()), parse("b.toml", &other).unwrap());
    let set = |files| GrantSet::from_files(files).unwrap().digest();
    assert_eq!(set(vec![a.clone(), b.clone()]), set(vec![b, a.clone()]));
    assert_ne!(set(vec![a]), set(vec![]));
}

#[test]
fn lint_points_at_what_to_look_at_twice() {
    let text = guide_example()
        .replace("require_confinement = [\"seccomp\", \"landlock\"]\n", "")
        .replace("\"parsed\"", "\"any\"")
        .replace("\"models/\", ", "\"\", ");
    let grants = GrantSet::from_files(vec![read(&text)]).unwrap();
    let findings: Vec<_> =
        lint(&grants, "2027-03-20T00:00:00Z".parse().unwrap()).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(findings.join("\n"), @r"
    grants/shop.toml:1: it expires at 2027-04-01T00:00:00Z, within 30 days
    grants/shop.toml:1: it demands no confinement: add `require_confinement`
    grants/shop.toml:7: `model.shop.*` stands for every task whose id starts so, later ones included
    grants/shop.toml:13: it may read `raw.*`, relations made later included
    grants/shop.toml:13: it may read `analytics.*`, relations made later included
    grants/shop.toml:13: it may write `analytics.*`, relations made later included
    grants/shop.toml:13: statements are not read: SQLite's own wall, or the warehouse's role, is all that is left
    grants/shop.toml:21: every file of the release may be read
    ");
}

proptest::proptest! {
    #[test]
    fn any_text_gives_a_grant_or_a_problem(text in "\\PC{0,200}") {
        let _ = parse("x", &text);
    }

    #[test]
    fn any_changed_byte_gives_a_grant_or_a_problem(at: proptest::sample::Index, to: char) {
        let mut text: Vec<char> = guide_example().chars().collect();
        let at = at.index(text.len());
        text[at] = to;
        let _ = parse("x", &text.into_iter().collect::<String>());
    }
}
