//! Small constructs, each beside what it renders to.

use super::*;

/// Cases `template => text`, one a line; `\n` stands for a line end.
fn check(cases: &str) {
    let mut wrong = Vec::new();
    for case in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (template, wanted) = case.split_once(" => ").unwrap_or((case, ""));
        let found = told(&template.replace("\\n", "\n")).replace('\n', "\\n");
        if found != wanted {
            wrong.push(format!("{template}\n   wanted {wanted}\n   found  {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lists_and_dicts_change_for_everyone_who_holds_them() {
    check(
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
        ",
    );
}
