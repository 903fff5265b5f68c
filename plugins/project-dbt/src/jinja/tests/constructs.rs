//! Small constructs of dbt's own, each beside what it renders to.

use serde_json::json;

use super::super::{Engine, from_json};
use super::world::{answer, relation};
use super::*;

/// Cases `template => text`, one a line; `\n` stands for a line end.
fn check(world: &TestWorld, files: &[(&str, &str, &str)], cases: &str) {
    let mut wrong = Vec::new();
    for case in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (template, wanted) = case.split_once(" => ").unwrap_or((case, ""));
        let found = render(library(files), world, &template.replace("\\n", "\n"));
        let found = found.unwrap_or_else(|why| format!("! {why}")).replace('\n', "\\n");
        if found != wanted {
            wrong.push(format!("{template}\n   wanted {wanted}\n   found  {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lists_and_dicts_change_for_everyone_who_holds_them() {
    check(
        &TestWorld::default(),
        &[],
        r"
        {% set a = [1] %}{% set b = a %}{% do b.append(2) %}{{ a }} => [1, 2]
        {% set a = [1] %}{% set b = a + [2] %}{% do b.append(3) %}{{ a }} {{ b }} => [1] [1, 2, 3]
        {% set d = {} %}{% do d.update({'x': 1}) %}{% do d.update(y=2) %}{{ d }} => {'x': 1, 'y': 2}
        {% set d = {'l': []} %}{% do d['l'].append(1) %}{% do d.l.extend([2, 3]) %}{{ d }} => {'l': [1, 2, 3]}
        {% macro add(l) %}{% do l.append(9) %}{% endmacro %}{% set a = [] %}{{ add(a) }}{{ a }} => [9]
        {% set a = [3,1,2] %}{% do a.sort() %}{{ a }}{% do a.reverse() %}{{ a.pop() }}{{ a }} => [1, 2, 3]1[3, 2]
        {% set a = [1,2] %}{% for x in a %}{% do a.append(x) %}{% endfor %}{{ a }} => [1, 2, 1, 2]
        {% set a = [] %}{% do a.append(a) %}{{ a|length }} => 1
        {% set d = dict(a=1) %}{{ d.setdefault('b', []).append(2) }}{{ d }} => None{'a': 1, 'b': [2]}
        {% set d = {'a': 1, 'b': 2} %}{{ d.pop('a') }}{{ d.pop('z', 9) }}{{ d.popitem() }}{{ d }} => 19('b', 2){}
        {% set s = set([1, 2, 1]) %}{% do s.add(3) %}{{ s }} {{ s - set([1]) }} {{ s.union([4]) }} => {1, 2, 3} {2, 3} {1, 2, 3, 4}
        {% set l = [1, 2, 3] %}{% do l.insert(1, 9) %}{% do l.remove(3) %}{{ l }}{{ l.index(9) }} => [1, 9, 2]1
        {% set f = [].append %}{{ f is callable }} => True
        ",
    );
}

const MACROS: &[(&str, &str, &str)] = &[
    (
        "shop",
        "macros/shop.sql",
        "{% macro cents(x) -%} ({{ x }} / {{ hundred() }}) {%- endmacro %}\n\
         {% macro hundred() %}{{ return(50 + 50) }}{% endmacro %}\n\
         {% macro first_over(list, n) %}{% for x in list %}{% if x > n %}{{ return(x) }}{% endif %}{% endfor %}{{ return(none) }}{% endmacro %}\n\
         {% macro wrapped() %}<{{ caller(1, x='y') }}>{% endmacro %}\n\
         {% macro outer() %}{% call wrapped() %}{{ return('early') }}{% endcall %}late{% endmacro %}\n\
         {% macro through(name) %}{% call(a, x) wrapped() %}{{ name }}{{ a }}{{ x }}{% endcall %}{% endmacro %}\n\
         {% macro greet(who, greeting='hello ' ~ who) %}{{ greeting }}{{ varargs }}{{ kwargs }}{% endmacro %}\n\
         {% macro ref(name) %}{{ return(builtins.ref(name).include(database=false)) }}{% endmacro %}\n\
         {% macro postgres__star() %}ours{% endmacro %}\n\
         {% macro pick(name) %}{{ return(context[name]) }}{% endmacro %}\n\
         {% macro seen() %}{{ x }}{% endmacro %}",
    ),
    (
        "utils",
        "dbt_packages/utils/macros/star.sql",
        "{% macro star() %}{{ return(adapter.dispatch('star', 'utils')()) }}{% endmacro %}\n\
         {% macro default__star() %}theirs{% endmacro %}\n\
         {% macro own() %}{{ helper() }}{{ utils.helper() }}{% endmacro %}\n\
         {% macro helper() %}h{% endmacro %}\n\
         {% macro cents(x) %}utils cents{% endmacro %}\n\
         {% test positive(model, column_name) %}select * from {{ model }} where {{ column_name }} <= 0{% endtest %}",
    ),
    (
        "dbt",
        "builtin.sql",
        "{% macro default__type_string() %}text{% endmacro %}\n\
         {% macro type_string() %}{{ return(adapter.dispatch('type_string', 'dbt')()) }}{% endmacro %}",
    ),
];

#[test]
fn macros_are_found_and_called_as_in_dbt() {
    check(
        &TestWorld::default(),
        MACROS,
        r#"
        {{ cents('a') }} {{ utils.cents('a') }} {{ shop.cents('b') }} => (a / 100) utils cents (b / 100)
        {{ hundred() + 1 }} {{ first_over([1, 5, 9], 4) }} {{ first_over([], 4) is none }} => 101 5 True
        {{ outer() }} => earlylate
        {{ through('n') }} => <n1y>
        {% call(a, x) wrapped() %}{{ a }}{{ x }}{% endcall %} => <1y>
        {{ greet('bob') }} {{ greet('a', 'b', 3, z=4) }} => hello bob(){} b(3,){'z': 4}
        {{ ref('orders') }} {{ builtins.ref('orders') }} => "main"."orders" "db"."main"."orders"
        {{ utils.star() }} {{ utils.own() }} => ours hh
        {{ type_string() }} {{ dbt.type_string() }} => text text
        {{ pick('hundred')() }} {{ context.get('nothing', 'x') }} {{ 'cents' in context }} => 100 x True
        {% set x = 1 %}{{ seen() }}| => |
        {% do context.update({'x': 5}) %}{{ seen() }} {{ context.get('x') }} => 5 5
        {% do context.update(1) %} => ! models/orders.sql:1: context.update() needs a dict, not 'int'
        {% macro local() %}{{ hundred() }}{% endmacro %}{{ local() }} => 100
        {{ adapter.dispatch('nothing', 'utils')() }} => ! models/orders.sql:1: there is no implementation of the macro `nothing` for `postgres`; looked for shop.postgres__nothing, shop.default__nothing, utils.postgres__nothing, utils.default__nothing
        {{ utils.nothing() }} => ! models/orders.sql:1: the package `utils` has no macro `nothing`
        {{ nowhere.nothing() }} => ! models/orders.sql:1: `nowhere` is not defined, so `nowhere.nothing` cannot be called; is it a package that is missing from `dbt_packages`?
        a\n{{ nothing() }} => ! models/orders.sql:2: `nothing` is not defined: no macro of the project, of its packages or of dbt has this name
        "#,
    );
}

#[test]
fn the_root_project_s_dispatch_order_counts() {
    let mut library = library(MACROS);
    library.dispatch("utils", vec!["utils".into(), "shop".into()]);
    assert_eq!(render(library, &TestWorld::default(), "{{ utils.star() }}").unwrap(), "theirs");
}

#[test]
fn names_of_the_context_mean_what_they_mean_in_dbt() {
    let mut world = TestWorld::default();
    world.vars.insert("through".into(), json!("2013-01-14"));
    world.vars.insert("list".into(), json!(["UA", "{{ 1 }}"]));
    world.vars.insert("table".into(), json!("{{ ref('pages') }}"));
    world.names.insert("model".into(), json!({"name": "orders", "columns": {"id": {"name": "id"}}}));
    check(
        &world,
        &[],
        r#"
        {{ ref('a') }} {{ ref('pkg', 'b', v=2) }} {{ source('raw', 'rates') }} => "db"."main"."a" "db"."main"."b" "db"."raw"."rates"
        {{ this }} {{ this.schema }} {{ this.identifier }} {{ this.type }} => "db"."main"."orders" main orders table
        {{ this.include(database=false) }} {{ this.quote(identifier=false) }} {{ this.without_identifier() }} => "main"."orders" "db"."main".orders "db"."main"
        {{ this.incorporate(path={'identifier': 'x'}, type='view').is_view }} {{ this.replace_path(schema='s') }} => True "db"."s"."orders"
        {{ this.information_schema('tables') }} {{ this is mapping }} {{ this.get('metadata', {}).get('type', '') }} => "db".INFORMATION_SCHEMA.tables True PostgresRelation
        {{ api.Relation.create(database='d', schema='s', identifier='i', type='view') }} {{ this == this }} {{ this == ref('orders') }} => "d"."s"."i" True True
        {% set c = api.Column('n', 'numeric', none, 10, 2) %}{{ c.data_type }} {{ c.is_numeric() }} {{ c.quoted }} {{ api.Column.translate_type('string') }} => numeric(10,2) True "n" TEXT
        {{ var('through') }} {{ var('x', 'y') }} {{ var.has_var('list') }} {{ var('list') + ['DL'] }} => 2013-01-14 y True ['UA', '{{ 1 }}', 'DL']
        {{ var('table') }} {{ var('none', '{{ 1 }}') }} => "db"."main"."pages" {{ 1 }}
        {{ var('missing') }} => ! models/orders.sql:1: the variable `missing` is not set; add it to `vars` in dbt_project.yml, or give `var` a default
        {{ env_var('REGION') }} {{ env_var('OTHER', 'd') }} => north d
        {{ target.name }} {{ target['type'] }} {{ execute }} {{ is_incremental() }} => dev postgres True True
        {{ model.columns.id.name }} {{ model['columns'].values()|map(attribute='name')|join }} => id id
        {{ config(materialized='table', tags=['a']) }}{{ config.get('materialized') }}{{ config.get('x', 1) }}{{ config.get('y') }} => table1None
        {{ config({'alias': 'z'}) }}{{ config.require('alias') }} => z
        {{ config.require('none_such') }} => ! models/orders.sql:1: the setting `none_such` is required; set it in `config(…)` or dbt_project.yml
        {{ tojson({'a': [1, none]}) }} {{ fromjson('{"a": 1}').a }} {{ fromyaml('a: [1, 2]').a }} {{ toyaml({'a': ['b']}) }} => {"a": [1, null]} 1 [1, 2] a:\n- b\n
        {{ zip([1, 2], ['a', 'b'])|list }} {{ set_strict([1]) }} {{ local_md5('a') }} => [(1, 'a'), (2, 'b')] {1} 0cc175b9c0f1b6a831c399e269772661
        {{ diff_of_two_dicts({'a': ['X', 'y']}, {'A': ['x']}) }} => {'a': ['y']}
        {{ modules.pytz.timezone('America/New_York').localize(modules.datetime.datetime(2024, 7, 1)) }} => 2024-07-01 00:00:00-04:00
        {{ modules.datetime.datetime(2024, 7, 1, tzinfo=modules.pytz.utc).astimezone(modules.pytz.timezone('Asia/Tokyo')).strftime('%H %Z %z') }} => 09 JST +0900
        {% set first, last = modules.datetime.datetime.min, modules.pytz.utc.localize(modules.datetime.datetime(9999, 12, 31)) %}{{ first.timestamp() }} {{ last.timestamp() }} {{ modules.datetime.datetime(1970, 1, 2).timestamp() }} => -62135596800.0 253402214400.0 86400.0
        {{ adapter.quote('a') }} {{ adapter.type() }} {{ adapter.get_relation('db', 'main', 'v').type }} {{ adapter.get_relation('db', 'main', 'x') }} => "a" postgres view None
        {{ adapter.get_columns_in_relation(this)|map(attribute='name')|list }} {{ adapter.get_missing_columns(this, ref('v'))|map(attribute='column')|list }} => ['id', 'name'] ['name']
        {{ 'b' in ['ab'] | as_bool }} {{ (['a', 'b'] | as_bool)[1] }} {{ (1 | as_text) + 1 }} => False b 2
        {{ [7] | random }} {{ [] | random }} {{ ['a', 'b'] | random in 'ab' }} => 7  True
        {% set c = builtins.ref.config %}{{ c.project_name }} {{ c.dependencies['shop'].version }} {{ c.vars.to_dict() }} {{ c.other is defined }} => shop 1.0 {'a': 1} False
        {{ exceptions.raise_compiler_error('no ' ~ 1) }} => ! models/orders.sql:1: no 1
        {{ ref('missing') }} => ! models/orders.sql:1: there is no model named `missing`
        {{ return(1) }} => ! models/orders.sql:0: `return` stands outside of a macro
        "#,
    );
    let engine = Engine::new(library(&[]).into());
    let moment = super::super::datetime("2024-02-29T12:00:00Z").unwrap();
    assert_eq!(moment.to_string(), "2024-02-29 12:00:00+00:00");
    assert_eq!(from_json(&json!({"a": [1.5, null]})).to_string(), "{'a': [1.5, None]}");
    let native =
        |text: &str| super::super::to_json(&engine.native("shop", "s.yml", text, &world).unwrap()).unwrap();
    assert_eq!(native("{{ var('list') }}"), json!(["UA", "{{ 1 }}"]));
    assert_eq!(native("{{ '1' }}"), json!("1"));
    assert_eq!(native("{{ '1' | as_number }}"), json!(1));
    assert_eq!(native("{{ 'True' | as_bool }} "), json!("True "));
    assert_eq!(native("{{ '[1, 2]' | as_native }}"), json!([1, 2]));
    assert_eq!(native("{{ 1 | as_text }}"), json!("1"));
    assert_eq!(native("{{ 'b' in ['a', 'b'] | as_bool() }}"), json!(true));
    assert_eq!(native("{{ 'b' == 'a' | as_bool }}"), json!(false));
    assert_eq!(native("{% if true -%} {{ false | as_bool }} {%- endif -%}\n"), json!(false));
    assert_eq!(native("{% if false %}x{% else %} {{ 1 }}{% endif %}"), json!(" 1"));
    let unfit = engine.native("shop", "s.yml", "{{ ['a'] | as_bool }}", &world).unwrap_err();
    assert_eq!(unfit.to_string(), "s.yml:0: Could not convert value '['a']' into type 'bool'");
    let expression = engine.evaluate("shop", "s.yml", "ref('a')", &world).unwrap();
    assert_eq!(super::super::world::RelationName::from_value(&expression), Some(relation("main", "a")));
}

#[test]
fn queries_run_and_their_rows_are_gone_through() {
    let world = TestWorld { answer: answer(), ..TestWorld::default() };
    check(
        &world,
        &[],
        r"
        {% set r = run_query('select 1') %}{{ r.columns[0].values() }} {{ r.columns['name'].values() }} {{ r.column_names }} => (1, 2) ('ann', 'bob') ('id', 'amount', 'name')
        {% set r = run_query('select 1') %}{{ r|length }} {{ r.rows[0][1] }} {{ r[1]['name'] }} {{ r.rows[1].amount is none }} {{ r.columns|length }} => 2 1.50 bob True 3
        {% set c = run_query('x').columns %}{{ c.amount.data_type.jsonify(c.amount[0]) }} {{ c.id.data_type.jsonify(2) }} {{ c.name.data_type.jsonify(none) }} {{ c.name.data_type.cast(1) }} => ! models/orders.sql:1: 'Text' object has no attribute 'cast'
        {% set c = run_query('x').columns %}{{ c.get('amount').data_type.jsonify(c['amount'][0]) }} {{ c[0].data_type.jsonify(2) }} {{ c[2].data_type.jsonify(none) }} => 1.5 2 None
        {% for row in run_query('x') %}{{ row.id }}{{ row['name'] }}{{ row.values()|length }};{% endfor %} => 1ann3;2bob3;
        {% for id, amount, name in run_query('x').rows %}{{ id }}{{ name }}{% endfor %} => 1ann2bob
        {% call statement('s', fetch_result=True) %}select {{ 1 }}{% endcall %}{% set s = load_result('s') %}{{ s.data }} {{ s['table'].columns|map(attribute='name')|list }} {{ s.response }} => [(1, Decimal('1.50'), 'ann'), (2, None, 'bob')] ['id', 'amount', 'name'] SELECT 2
        {% call statement('t', auto_begin=false) %}insert{% endcall %}{{ load_result('t').response.rows_affected }} {{ load_result('none') }} => 2 None
        {% set r = run_query('x') %}{{ r.rows[0].amount * 2 }} {{ r.rows[0].amount > 1 }} {{ r.rows[0].amount|int }} {{ r.rows[0].amount + 1 }} => 3.00 True 1 2.50
        {{ run_query('x').select(['name', 'id']).limit(1).rows[0].dict() }} => {'name': 'ann', 'id': 1}
        {{ run_query('select * from nowhere') }} => ! models/orders.sql:1: relation &quot;nowhere&quot; does not exist
        "
        .replace("&quot;", "\"")
        .as_str(),
    );
    world.asked();
    render(library(&[]), &world, "{% call statement('s') %}delete from t{% endcall %}{% do run_query('x').print_table() %}{{ log('hi', info=true) }}{{ exceptions.warn('careful') }}{% do adapter.drop_relation(this) %}{% do adapter.rename_relation(this, ref('b')) %}{% do adapter.create_schema(this) %}").unwrap();
    insta::assert_snapshot!(world.asked(), @r#"
    begin
    execute delete from t
    query x
    log true | id | amount | name |
    |----|--------|------|
    | 1  | 1.50   | ann  |
    | 2  | None   | bob  |

    log true hi
    warn careful
    drop "db"."main"."orders"
    ref None b None
    rename "db"."main"."orders" "db"."main"."b"
    create schema main
    "#);
}

#[test]
fn a_text_that_is_described_is_followed_leniently_and_a_run_is_not() {
    let describing = TestWorld { describing: true, ..TestWorld::default() };
    let text = "{% set r = run_query('x') %}{% for v in r.columns[0].values() %}{{ v }}{% endfor %}{{ r.a.b[0].c() }}{% if x.y > 1 %}no{% endif %}{{ var('later') }}{{ adapter.get_relation('a', 'b', 'c') }}";
    assert_eq!(render(library(&[]), &describing, text).unwrap(), "NoneNone");
    let executed = TestWorld { answer: answer(), ..TestWorld::default() };
    let why = render(library(&[]), &executed, "{{ r.a.b }}").unwrap_err();
    assert_eq!(why.to_string(), "models/orders.sql:1: `r` is not defined");
    // Undefined prints as nothing in both, and a name that is called must be there in both.
    assert_eq!(render(library(&[]), &executed, "[{{ nothing }}{{ this.nothing }}]").unwrap(), "[]");
    for call in ["{{ nothing() }}", "{{ nothing.at_all() }}"] {
        assert!(render(library(&[]), &describing, call).is_err());
        let guarded = format!("{{% if execute %}}{{% set nothing = 1 %}}{{% endif %}}{call}");
        assert_eq!(render(library(&[]), &describing, &guarded).unwrap(), "");
    }
}

#[test]
fn a_fault_in_a_macro_names_the_macro_and_its_callers() {
    let files = [(
        "shop",
        "macros/a.sql",
        "-- head\n{% macro bad(x) %}\n{{ x.y.z }}\n{% endmacro %}\n{% macro calls() %}\n\n{{ bad(1) }}{% endmacro %}",
    )];
    let why = render(library(&files), &TestWorld::default(), "select\n{{ calls() }}").unwrap_err();
    insta::assert_snapshot!(why, @"models/orders.sql:2: `x.y` is not defined (in macros/a.sql:3, macro bad; called from macros/a.sql:7, macro calls)");
    assert_eq!(why.code(), "CD0947");
    let broken = [("shop", "macros/b.sql", "\n\n{% macro b() %}\n{% if %}{% endif %}{% endmacro %}")];
    let why = render(library(&broken), &TestWorld::default(), "{{ b() }}").unwrap_err();
    insta::assert_snapshot!(why, @"models/orders.sql:1: the Jinja cannot be read: `%}` cannot stand here (in macros/b.sql:4, macro b)");
    assert_eq!(library(&broken).check()[0].line, 4);
}

#[test]
fn the_library_knows_what_a_text_needs() {
    let library = library(MACROS);
    let needed = |text: &str| {
        library
            .needed_by(text)
            .into_iter()
            .map(|file| format!("{} {:?}", file.file, file.names))
            .collect::<Vec<_>>()
            .join("; ")
    };
    insta::assert_snapshot!(needed("{{ utils.star() }}"), @r#"macros/shop.sql ["postgres__star"]; dbt_packages/utils/macros/star.sql ["star", "default__star"]"#);
    insta::assert_snapshot!(needed("{{ cents(1) }}"), @r#"macros/shop.sql ["cents", "hundred"]; dbt_packages/utils/macros/star.sql ["cents"]"#);
    assert_eq!(needed("select 1"), "");
    assert_eq!(library.test("shop", "utils.positive").unwrap().block.name, "test_positive");
    assert!(library.test("shop", "positive").is_none());
    assert!(library.mentions("{{ pick('x') }}", "context") && !library.mentions("{{ cents(1) }}", "context"));
}

#[test]
fn blocks_are_found_with_their_lines() {
    let text = "{# {% macro no() %} #}\n{% docs a %}\nsome {{ text }}\n{% enddocs %}\n{%- snapshot s -%}{{ config(x=1) }}{% endsnapshot %}\n{% materialization m, adapter='postgres' %}{% endmaterialization %}{% raw %}{% macro x() %}{% endraw %}{% data_test t(model) %}'%}'{% enddata_test %}";
    let found = blocks("f.sql", text).unwrap();
    let told: Vec<_> =
        found.iter().map(|b| format!("{:?} {} {} {:?}", b.kind, b.name, b.line, b.body())).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    Docs a 2 "\nsome {{ text }}\n"
    Snapshot s 5 "{{ config(x=1) }}"
    Materialization materialization_m_postgres 6 ""
    Test test_t 6 "'%}'"
    "#);
    assert_eq!(blocks("f.sql", "\n{% macro a() %}").unwrap_err().line, 2);
}
