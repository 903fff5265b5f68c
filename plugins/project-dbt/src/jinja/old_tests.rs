use std::fmt::Write as _;

use serde_json::json;

use super::*;

fn scope() -> Scope {
    let vars =
        json!({"through": "2013-01-14", "carriers": ["UA", "DL"]}).as_object().cloned().unwrap_or_default();
    Scope::describing("shop", Relation::new("main", "orders"), &vars, Config::default())
}

fn describe(source: &str) -> Result<Output, RenderError> {
    render("models/orders.sql", source, scope(), &Macros::default())
}

fn fixed(source: &str) -> Result<Output, RenderError> {
    let names = Names::Fixed {
        refs: vec![("stg_orders".into(), Rendered::plain(Relation::new("staging", "stg_orders")))],
        sources: vec![(("raw".into(), "rates".into()), Rendered::plain(Relation::new("raw", "rates")))],
    };
    render(
        "models/orders.sql",
        source,
        Scope { execute: true, incremental: true, names, ..scope() },
        &Macros::default(),
    )
}

fn with_macros(files: &[(&str, &str)], source: &str) -> Result<Output, RenderError> {
    let mut macros = Macros::default();
    for (path, text) in files {
        assert!(macros.add(path, text).is_empty());
    }
    render("models/orders.sql", source, scope(), &macros)
}

#[test]
fn names_and_settings_are_gathered() {
    let output = describe(
        "{{ config(materialized='incremental', unique_key=['id'], meta={'owner': 'x'}) }}\n\
         select * from {{ ref('stg_orders') }} join {{ source('raw', 'rates') }}\n\
         where day <= '{{ var('through') }}' {% if is_incremental() %}no{% endif %}",
    )
    .unwrap();
    assert_eq!(output.found.refs, ["stg_orders"]);
    assert_eq!(output.found.sources, [("raw".to_owned(), "rates".to_owned())]);
    assert_eq!(output.found.config.unique_key, ["id"]);
    assert!(output.text.contains("day <= '2013-01-14'"), "{}", output.text);
    assert!(!output.text.contains("no"));
}

#[test]
fn an_attempt_sees_relations_as_the_warehouse_writes_them() {
    let output = fixed("{% if execute and is_incremental() %}{{ ref('stg_orders') }} {{ source('raw', 'rates') }} {{ this }} {{ this.schema }} {{ ref('stg_orders').identifier }}{% endif %}").unwrap();
    insta::assert_snapshot!(output.text, @r#""staging"."stg_orders" "raw"."rates" "main"."orders" main stg_orders"#);
}

#[test]
fn a_name_the_release_did_not_foresee_is_refused() {
    insta::assert_snapshot!(fixed("select 1\nfrom {{ ref('secrets') }}").unwrap_err(), @"models/orders.sql:2: `ref('secrets')` was not seen when the release was built, so this task may not read it; name it outside of conditions too, for instance with `-- depends_on: {{ ref('secrets') }}`");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let mut told = String::new();
    for source in [
        "select 1\n{{ foo.bar }}",
        "select 1\n{% if x %}",
        "\n\n{{ env_var('HOME') }}",
        "{{ dbt_utils.star(ref('a')) }}",
        "{{ run_query('select 1') }}",
        "{{ ref('other_package', 'a') }}",
        "{{ ref('a', v=2) }}",
        "{{ config(materialized='ephemeral') }}",
        "{{ config(pre_hook='drop table x') }}",
        "{{ var('missing') }}",
        "{{ log('seen', info=True) }}{{ unknown_function() }}",
        "{{ exceptions.raise_compiler_error('no ' ~ 1) }}",
    ] {
        let why = describe(source).unwrap_err();
        writeln!(told, "{why}").unwrap();
    }
    insta::assert_snapshot!(told, @r#"
models/orders.sql:2: `foo.bar` is not defined
models/orders.sql:2: the Jinja cannot be read: unexpected end of input, expected end of block
models/orders.sql:3: a task runs in a sandbox without an environment; pass the value with `vars` and read it with `var()`
models/orders.sql:1: packages are not supported; copy the macro into `macros/`
models/orders.sql:1: queries while a model is rendered are not supported
models/orders.sql:1: `ref` names the package `other_package`; packages are not supported
models/orders.sql:1: versions of models are not supported in `ref`
models/orders.sql:1: `materialized` can be `table`, `view` or `incremental`, not `ephemeral`
models/orders.sql:1: the setting `pre_hook` is not supported; remove it, so that nothing is expected of it
models/orders.sql:1: the variable `missing` is not set; add it to `vars` in dbt_project.yml, or give `var` a default
models/orders.sql:1: `unknown_function` is not a macro of this project, nor a function of dbt's Jinja that is supported
models/orders.sql:1: no 1
"#);
}

#[test]
fn macros_see_one_another_and_return_values() {
    let files = [
        (
            "macros/a.sql",
            "{% macro cents(x) -%} ({{ x }} / {{ hundred() }}) {%- endmacro %}\n{% macro hundred() %}{{ return(50 + 50) }}{% endmacro %}",
        ),
        (
            "macros/b.sql",
            "{# {% macro no() %}{% endmacro %} #}\n{%- macro days(n=2) %}{% for i in range(n) %}{{ i }},{% endfor %}{% endmacro -%}",
        ),
    ];
    let output = with_macros(&files, "{{ cents('amount') }} {{ hundred() + 1 }} {{ days(n=3) }}").unwrap();
    insta::assert_snapshot!(output.text, @"(amount / 100) 101 0,1,2,");
}

#[test]
fn a_fault_in_a_macro_names_the_macro_and_the_caller() {
    let files = [("macros/a.sql", "-- head\n{% macro bad() %}\n{{ nowhere.x }}\n{% endmacro %}")];
    insta::assert_snapshot!(with_macros(&files, "select\n{{ bad() }}").unwrap_err(), @"models/orders.sql:2: `nowhere.x` is not defined (in macros/a.sql (macro bad), line 3)");
}

#[test]
fn a_macro_that_calls_itself_is_stopped() {
    let files = [("macros/a.sql", "{% macro f(x) %}{{ f(x) }}{% endmacro %}")];
    insta::assert_snapshot!(with_macros(&files, "{{ f(1) }}").unwrap_err().message, @"the template goes too deep; does a macro call itself without end? (in macros/a.sql (macro f), line 1)");
    let inline = describe("{% macro g(x) %}{{ g(x) }}{% endmacro %}{{ g(1) }}").unwrap_err();
    insta::assert_snapshot!(inline.message, @"the template goes too deep; does a macro call itself without end?");
}

#[test]
fn a_loop_without_end_and_a_flood_of_text_are_stopped() {
    let quiet = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    insta::assert_snapshot!(describe(quiet).unwrap_err(), @"models/orders.sql:1: the template takes too many steps; does a loop never end?");
    let loud = "{% for a in range(99999) %}0123456789012345678901234567890123456789{% endfor %}";
    insta::assert_snapshot!(describe(loud).unwrap_err().message, @"the rendered text is longer than 1 MiB");
}

#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    assert!(describe(&"{% if true %}".repeat(5_000)).is_err());
    assert!(describe(&format!("{{{{ {} }}}}", "(".repeat(50_000))).is_err());
    assert!(describe(&format!("{{{{ {}1 }}}}", "not ".repeat(50_000))).is_err());
}

#[test]
fn settings_in_yaml_see_the_variables() {
    let vars = json!({"on": true, "s": "own"}).as_object().cloned().unwrap_or_default();
    let settings = Settings { project: "shop", vars: &vars };
    assert_eq!(settings.value(&json!("{{ var('on') }}")), Ok(json!(true)));
    assert_eq!(settings.value(&json!(["{{ var('s') }}", 1])), Ok(json!(["own", 1])));
    assert!(settings.value(&json!("{{ env_var('HOME') }}")).unwrap_err().contains("sandbox"));
}
