//! Templates that would take too much, each beside one that takes much and may.

use proptest::prelude::*;

use super::world::{TestWorld, library, render, told};

/// What is wrong with a template, and that it is told within a few seconds.
fn refused(template: &str) -> String {
    let begun = std::time::Instant::now();
    let why = render(library(&[]), &TestWorld::default(), template).unwrap_err();
    assert!(begun.elapsed().as_secs() < 20, "{template}");
    assert_eq!(why.code(), "CD0948", "{why}");
    why.to_string()
}

#[test]
fn a_loop_without_end_is_stopped_and_a_long_one_is_not() {
    let endless = "\n{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    insta::assert_snapshot!(refused(endless), @"models/orders.sql:2: the template takes too many steps; does a loop never end?");
    assert_eq!(
        told(
            "{% set n = namespace(n=0) %}{% for a in range(99999) %}{% set n.n = n.n + 1 %}{% endfor %}{{ n.n }}"
        ),
        "99999"
    );
    insta::assert_snapshot!(refused("{{ range(10 ** 9)|length }}"), @"models/orders.sql:1: a range of more than 100000 numbers is too long for a template");
}

#[test]
fn a_text_without_end_is_stopped_and_a_long_one_is_not() {
    insta::assert_snapshot!(refused("{{ 'x' * 10 ** 9 }}"), @"models/orders.sql:1: a text longer than 16 MiB would be made; does something double without end?");
    insta::assert_snapshot!(refused("{% set n = namespace(t='x') %}\n{% for i in range(99) %}{% set n.t = n.t ~ n.t %}{% endfor %}"), @"models/orders.sql:2: a text longer than 16 MiB would be made; does something double without end?");
    assert_eq!(told("{{ ('x' * 10 ** 6)|length }}"), "1000000");
    for template in [
        "{{ '%999999999d' % 1 }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ 'x'.ljust(999999999) }}",
        "{{ 'a'.replace('a', 'b' * 999999).replace('b', 'c' * 999999) }}",
        "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
        "{% set l = ['x' * 9999999] %}{% for a in range(9999) %}{% do l.append(l[0] ~ a) %}{% endfor %}",
        "{{ ('x' * 9999999)|indent(9)|replace('x', 'yyyy') }}",
        "{{ (['x' * 999999] * 99999)|join }}",
    ] {
        refused(template);
    }
}

#[test]
fn many_small_pieces_count_as_what_they_become() {
    let pieces = "{% for a in range(90000) %}{{ 'x' * 80 }}{% endfor %}";
    assert_eq!(told(&format!("{{% set t %}}{pieces}{{% endset %}}{{{{ t|length }}}}")), "7200000");
    assert_eq!(
        told("{{ (['x' * 80] * 90000)|join|length }} {{ ','.join(['x' * 79] * 90000)|length }}"),
        "7200000 7199999"
    );
    assert_eq!(told("{{ modules.re.sub('x', 'yy', 'x' * 900000)|length }}"), "1800000");
    assert_eq!(told("{{ ('{}' * 9000).format(*(['x' * 99] * 9000))|length }}"), "891000");
}

#[test]
fn a_long_text_can_be_measured_often() {
    let often =
        "{% set t = 'x' * 1000000 %}{% for a in range(500) %}{% if t|length < 9 %}!{% endif %}{% endfor %}";
    assert_eq!(told(often), "");
}

#[test]
fn a_list_without_end_is_stopped_and_a_long_one_is_not() {
    insta::assert_snapshot!(refused("{{ [1] * 10 ** 9 }}"), @"models/orders.sql:1: a list of more than 2000000 values would be made; does something grow without end?");
    for template in [
        "{% set l = [1] %}{% for a in range(99) %}{% do l.extend(l) %}{% endfor %}",
        "{% set l = [1] %}{% for a in range(99) %}{% set l = l + l %}{% do l.extend(l + l) %}{% endfor %}{% set n = namespace(l=[1]) %}{% for a in range(99) %}{% set n.l = n.l + n.l %}{% endfor %}",
        "{{ modules.itertools.product(range(9999), range(9999)) }}",
        "{{ modules.itertools.permutations(range(99), 9) }}",
        "{% set l = [] %}{% for a in range(99999) %}{% for b in range(99) %}{% do l.append(b) %}{% endfor %}{% endfor %}",
    ] {
        refused(template);
    }
    assert_eq!(told("{{ ([1] * 100000)|length }}"), "100000");
}

#[test]
fn depth_without_end_is_stopped_and_depth_is_not() {
    insta::assert_snapshot!(refused("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}\n{{ f(0) }}"), @"models/orders.sql:2: the template goes too deep; does a macro call itself without end?");
    assert_eq!(
        told("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% endif %}{{ n }}{% endmacro %}{{ f(25) }}").len(),
        42
    );
    let deep = |many: usize| format!("{{{{ {}1{} }}}}", "(".repeat(many), ")".repeat(many));
    assert_eq!(told(&deep(20)), "1");
    for template in [
        deep(50_000),
        "{% if true %}".repeat(50_000),
        format!("{{{{ {}1 }}}}", "[".repeat(50_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(50_000)),
        format!("{{{{ x{} }}}}", "[x".repeat(50_000)),
        format!("{{{{ f{} }}}}", "(f".repeat(50_000)),
    ] {
        assert!(
            told(&template).starts_with("! models/orders.sql:1: the Jinja cannot be read: "),
            "{}",
            &template[..20]
        );
    }
    // Chains are as long as one likes.
    assert_eq!(told(&format!("{{{{ 0{} }}}}", " + 1".repeat(5_000))), "5000");
    assert_eq!(told(&format!("{{{{ {}true }}}}", "not ".repeat(5_000))), "True");
    assert_eq!(told(&format!("{{{{ 'a'{} }}}}", ".upper()".repeat(5_000))), "A");
    assert_eq!(told(&format!("{{{{ 1{} }}}}", " if true else 2".repeat(5_000))), "1");
}

#[test]
fn a_list_that_holds_itself_is_printed_and_compared() {
    assert_eq!(told("{% set a = [] %}{% do a.append(a) %}{{ a }}"), "[[...]]");
    assert_eq!(
        told("{% set d = {} %}{% do d.update({1: {'x': d}, 2: [d, d]}) %}{{ d }}"),
        "{1: {'x': {...}}, 2: [{...}, {...}]}"
    );
    assert_eq!(told("{% set a = [] %}{% do a.append(a) %}{{ tojson(a) }}"), "None");
    assert_eq!(
        told("{% set a = [] %}{% do a.append(a) %}{% set b = [] %}{% do b.append(b) %}{{ a == b }}"),
        "False"
    );
}

#[test]
fn a_pattern_that_backtracks_without_end_is_stopped() {
    let told = told(
        "{{ modules.re.match('(a|aa)+$(?=x)', 'a' * 60 ~ 'b') }}{{ modules.re.match('(?=(a+)+b)(a*)*c', 'a' * 60) }}",
    );
    assert!(told == "NoneNone" || told.contains("takes too many steps"), "{told}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Any text renders to text, or to an error with a line.
    #[test]
    fn any_text_gives_text_or_an_error_with_a_line(pieces in prop::collection::vec(piece(), 0..24)) {
        let template = pieces.concat();
        if let Err(why) = render(library(&[]), &TestWorld::default(), &template) {
            prop_assert!(why.line > 0 || why.message.contains("return"), "{template:?}: {why}");
        }
    }
}

/// Pieces of templates, and anything else.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "{{", "}}", "{%", "%}", "{#", "#}", "{{-", "-}}", "if", "for", "in", "endfor", "endif", "set", "else",
            "macro", "endmacro", "call", "endcall", "do", "x", "y", " ", "\n", "(", ")", "[", "]", "{", "}", ":",
            ",", ".", "|", "~", "+", "-", "*", "**", "//", "%", "==", "<", "1", "0", "99", "1.5", "'a'", "\"", "'",
            "upper", "join", "is", "not", "defined", "none", "true", "range(3)", "loop", "append", "format",
            "'%s'", "'{}'", "tojson", "this", "ref('a')", "\u{1F600}", "é", "{% raw %}", "{% endraw %}", "\\", "_",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// Renders on a stack of this size, and gives what is wrong.
fn on_a_stack_of(bytes: usize, files: &'static [(&str, &str, &str)], template: &'static str) -> String {
    let render = move || match render(library(files), &TestWorld::default(), template) {
        Ok(text) => text,
        Err(why) => why.to_string(),
    };
    std::thread::Builder::new().stack_size(bytes).spawn(render).unwrap().join().unwrap()
}

/// A task's stack holds 512 KiB; less is enough for the deepest template.
#[test]
fn the_deepest_template_fits_a_small_stack() {
    const FILES: &[(&str, &str, &str)] = &[(
        "shop",
        "macros/deep.sql",
        "{% macro plain(n) %}{{ plain(n + 1) }}{% endmacro %}\n\
         {% macro dispatched(n) %}{{ return(adapter.dispatch('dispatched', 'shop')(n)) }}{% endmacro %}\n\
         {% macro default__dispatched(n) %}{% if n %}{% for i in [1] %}{% set x = [dispatched(n + 1) ~ ''] %}{% endfor %}{% endif %}{% endmacro %}\n\
         {% macro called(n) %}{% call through() %}{{ called(n + 1) }}{% endcall %}{% endmacro %}\n\
         {% macro through() %}{% filter upper %}{{ caller()|trim }}{% endfilter %}{% endmacro %}\n\
         {% macro mapped(n) %}{% set y %}{{ (((((({'a': [mapped(n + 1)]})))))) }}{% endset %}{% endmacro %}\n\
         {% macro down(n) %}{% if n %}{{ adapter.dispatch('down', 'shop')(n) }}{% endif %}{% endmacro %}\n\
         {% macro default__down(n) %}{% for i in [n] %}{{ down(i - 1) }}{% endfor %}{% endmacro %}",
    )];
    for template in ["{{ plain(1) }}", "{{ dispatched(1) }}", "{{ called(1) }}", "{{ mapped(1) }}"] {
        let told = on_a_stack_of(448 << 10, FILES, template);
        assert!(told.starts_with("models/orders.sql:1: the template goes too deep"), "{told}");
    }
    assert_eq!(on_a_stack_of(448 << 10, FILES, "{{ down(20) }}|"), "|");
    assert!(on_a_stack_of(448 << 10, &[], "{% for x in [[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]] recursive %}{% if x is iterable %}{{ loop(x) }}{% else %}end{% endif %}{% endfor %}").contains("end"));
}

#[test]
fn values_that_lie_deep_in_one_another_are_dropped_printed_and_compared() {
    const DEEP: [&str; 6] =
        ["[ns.d]", "(ns.d,)", "{'a': ns.d}", "namespace(a=ns.d)", "[ns.d]|groupby(0)", "[(ns.d, 1)]"];
    for wrap in DEEP {
        let template = format!(
            "{{% set ns = namespace(d=[]) %}}{{% for i in range(50000) %}}{{% set ns.d = {wrap} %}}{{% endfor %}}{{{{ ns.d|string|length > 0 }}}}{{{{ ns.d == [ns.d] }}}}{{{{ ns.d in {{}} }}}}"
        );
        let leaked: &'static str = template.leak();
        assert_eq!(on_a_stack_of(448 << 10, &[], leaked), "TrueFalseFalse", "{wrap}");
    }
    let loops = "{% set ns = namespace(d=[]) %}{% for i in range(50000) %}{% for j in [ns.d] %}{% set ns.d = loop %}{% endfor %}{% endfor %}|";
    assert_eq!(on_a_stack_of(448 << 10, &[], loops), "|");
    let holds_itself = "{% set d = {} %}{% for i in range(20000) %}{% do d.update({i: {'x': d}}) %}{% endfor %}{{ d|string|length > 0 }}";
    assert_eq!(told(holds_itself), "True");
}

#[test]
fn values_that_double_are_printed_or_refused() {
    for doubles in [
        "[ns.d, ns.d]|string",
        "(ns.d, ns.d)|string",
        "{'a': ns.d, 'b': ns.d}|tojson",
        "([ns.d]|groupby(0))|string",
        "ns.d == ns.e",
        "[ns.d, ns.e]|sort",
        "set([ns.t])",
    ] {
        let template = format!(
            "{{% set ns = namespace(d=[1], e=[1], t=(1,)) %}}{{% for i in range(55) %}}{{% set ns.d = [ns.d, ns.d] %}}{{% set ns.e = [ns.e, ns.e] %}}{{% set ns.t = (ns.t, ns.t) %}}{{% endfor %}}{{{{ ({doubles})|string|length > 0 }}}}{{{{ 1 + 1 }}}}"
        );
        let found = told(&template);
        assert!(found == "True2" || found.starts_with("! models/orders.sql:1: "), "{doubles}: {found}");
    }
}

#[test]
fn a_table_s_name_that_postgresql_would_cut_is_refused_and_one_that_fits_is_not() {
    let named = |length: usize, kind: &str| {
        let template = format!(
            "{{{{ this.incorporate(path={{'identifier': 'é' * {length}}}, type={kind}).identifier|length }}}}"
        );
        render(library(&[]), &TestWorld::default(), &template).map_err(|why| why.to_string())
    };
    assert_eq!(named(63, "'table'").unwrap(), "63");
    assert_eq!(named(64, "none").unwrap(), "64");
    let refused = named(64, "'view'").unwrap_err();
    let name = "é".repeat(64);
    assert_eq!(refused, format!("models/orders.sql:1: Relation name '{name}' is longer than 63 characters"));
}
