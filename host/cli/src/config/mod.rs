//! `cofferdam.toml`: what a project is made of.
//!
//! In: the text of the file. Out: a [`Config`] whose names can only be valid.
//! Never: reads other files, guesses, or passes over a key it does not know.
//! Fails: with `CD0003`, naming the line and, for an unknown key, the nearest known one.
//! Source: `docs/guides/command-line.md`.

mod problem;
mod schema;

pub use schema::{
    AudienceConfig, Config, JobConfig, LimitsConfig, Loader, ParamConfig, PolicyConfig, Project,
    ReleaseConfig, RetryConfig, Task,
};

use crate::failure::Outcome;

/// The name of the file.
pub const FILE_NAME: &str = "cofferdam.toml";

/// Reads the text of `cofferdam.toml`; `name` is how errors call the file.
pub fn parse(name: &str, text: &str) -> Outcome<Config> {
    let config: Config = toml::from_str(text).map_err(|error| problem::from_toml(name, text, &error))?;
    config.check().map_err(|wrong| problem::at(name, text, wrong.span, &wrong.what, &wrong.fix))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
[project]
name = "flights"
gateway = "wh"
[plugins]
task-sql = "task-sql"
adapter-sqlite = "adapter-sqlite"
[gateways]
wh = "adapter-sqlite"
[[task]]
id = "report.delays"
plugin = "task-sql"
settings = { file = "delays.sql" }
reads = ["marts.*"]
"#;

    fn error(text: &str) -> String {
        parse("cofferdam.toml", text).unwrap_err().render()
    }

    #[test]
    fn a_small_project_is_read_with_its_defaults() {
        let config = parse("cofferdam.toml", SMALL).unwrap();
        assert_eq!(config.project_id().as_str(), "prj_flights");
        assert_eq!(config.tasks[0].entry, "run");
        assert_eq!(config.audience.pools[0].as_str(), "default");
        assert!(config.policy.manual);
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_known_key() {
        insta::assert_snapshot!(error(&SMALL.replace("gateway = \"wh\"\n", "gatway = \"wh\"\n")), @r#"
        error[CD0003]: `cofferdam.toml` line 4: unknown key `gatway`
          why: `gatway = "wh"`
          fix: did you mean `gateway`? Known here: `name`, `gateway`
        "#);
        insta::assert_snapshot!(error(&SMALL.replace("reads =", "colour =")), @r#"
        error[CD0003]: `cofferdam.toml` line 14: unknown key `colour`
          why: `colour = ["marts.*"]`
          fix: delete it. Known here: `id`, `plugin`, `entry`, `needs`, `gateway`, `settings`, `reads`, `writes`, `mode`, `files`, `params`, `tags`, `roles`, `limits`, `retry`
        "#);
    }

    #[test]
    fn a_text_that_is_no_toml_names_its_line() {
        insta::assert_snapshot!(error("[project]\nname = flights\n"), @r"
        error[CD0003]: `cofferdam.toml` line 2: invalid boolean, expected `false`
          why: `name = flights`
          fix: correct the line
        ");
    }

    #[test]
    fn a_plugin_nobody_declared_names_its_line_and_the_nearest_name() {
        insta::assert_snapshot!(error(&SMALL.replace("plugin = \"task-sql\"", "plugin = \"task-sq\"")), @r#"
        error[CD0003]: `cofferdam.toml` line 12: no plugin is called `task-sq`
          why: `plugin = "task-sq"`
          fix: did you mean `task-sql`? Otherwise add it to [plugins]
        "#);
    }

    #[test]
    fn a_gateway_nobody_declared_is_refused() {
        insta::assert_snapshot!(error(&SMALL.replace("gateway = \"wh\"", "gateway = \"lake\"")), @r#"
        error[CD0003]: `cofferdam.toml` line 4: no gateway is called `lake`
          why: `gateway = "lake"`
          fix: add it to [gateways] with the adapter that speaks to it
        "#);
    }

    #[test]
    fn a_name_that_cannot_be_one_names_its_line() {
        insta::assert_snapshot!(error(&SMALL.replace("name = \"flights\"", "name = \"my flights\"")), @r#"
        error[CD0003]: `cofferdam.toml` line 3: `my flights` cannot be a project's name
          why: `name = "my flights"`
          fix: use 1 to 60 ASCII letters, digits and any of `_-`
        "#);
    }

    #[test]
    fn a_task_that_asks_for_sql_without_a_gateway_is_refused() {
        insta::assert_snapshot!(error(&SMALL.replace("gateway = \"wh\"\n", "")), @r#"
        error[CD0003]: `cofferdam.toml` line 10: nothing says which gateway `report.delays` works on
          why: `id = "report.delays"`
          fix: add `gateway = "…"` here or under [project]
        "#);
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_config_or_an_error(text in ".{0,200}") {
            let _ = parse("cofferdam.toml", &text);
        }
    }
}
