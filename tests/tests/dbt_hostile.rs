//! Projects in dbt's format that mean harm, one after the other in one house that goes on working:
//! each is a clear error with code, file and line, and the healthy model beside it is built.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use cofferdam_tests::{Answer, House, is_alive};

const HEALTHY: &[(&str, &str)] = &[
    (
        "dbt_project.yml",
        "name: shop\nversion: '1.0'\nprofile: shop\nflags: {send_anonymous_usage_stats: false}\n",
    ),
    (
        "profiles.yml",
        "shop:\n  target: dev\n  outputs:\n    dev: {type: sqlite, path: wh.db, schema: main, threads: 2}\n",
    ),
    ("models/healthy.sql", "select 1 as id\n"),
];

/// A way to do harm: its files, and what has to be said of it.
struct Harm {
    files: Vec<(&'static str, String)>,
    said: &'static [&'static str],
}

impl Harm {
    /// Puts it into the project for one command, which has to fail and say what it should.
    fn meet(&self, house: &House, command: &str, also: &[&str]) {
        let (of, _) = self.files[0];
        self.files.iter().for_each(|(path, text)| house.write(path, text));
        let answer = house.cofferdam(&["dbt", command]);
        assert!(!answer.ok, "{of} was built:\n{}", answer.text());
        contains_all(&answer, self.said, of);
        contains_all(&answer, also, of);
        for (path, _) in &self.files {
            std::fs::remove_file(house.path().join(path)).unwrap();
        }
    }
}

fn harm(path: &'static str, text: &str, said: &'static [&'static str]) -> Harm {
    Harm { files: vec![(path, text.to_owned())], said }
}

/// What is refused before anything runs.
fn while_reading() -> Vec<Harm> {
    let bomb: String = (1..10).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, at| {
        let last = format!("*a{}", at - 1);
        text + &format!("a{at}: &a{at} [{}]\n", [last.as_str(); 9].join(", "))
    });
    vec![
        harm(
            "models/spins.sql",
            "select 1\n{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}\n",
            &["error[CD0948]", "--> models/spins.sql:2"],
        ),
        harm(
            "models/grows.sql",
            "select\n{% set ns = namespace(t='x') %}\n{% for a in range(40) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}\n",
            &["error[CD0948]", "--> models/grows.sql:3"],
        ),
        harm(
            "models/large.sql",
            "select\n{{ 'x' * 1073741824 }}\n",
            &["error[CD0948]", "--> models/large.sql:2"],
        ),
        Harm {
            files: vec![
                ("macros/deep.sql", "{% macro deep(n) %}\n{{ deep(n + 1) }}\n{% endmacro %}\n".to_owned()),
                ("models/deep.sql", "select {{ deep(0) }}\n".to_owned()),
            ],
            said: &["error[CD0948]", "macros/deep.sql:2", "macro deep"],
        },
        harm(
            "models/password.sql",
            "select\n  '{{ env_var(\"PGPASSWORD\") }}' as p\n",
            &["error[CD0947]", "PGPASSWORD", "--> models/password.sql:2"],
        ),
        harm(
            "models/os.sql",
            "select\n\n'{{ modules.os.environ }}' as e\n",
            &["error[CD0947]", "`modules.os` is not there", "--> models/os.sql:3"],
        ),
        harm("models/bomb.yml", &format!("version: 2\n{bomb}"), &["error[CD0009]", "--> models/bomb.yml:"]),
        harm(
            "models/long.sql",
            &"select 1 as id -- long\n".repeat(10 << 20 >> 4),
            &["error[CD0009]", "--> models/long.sql", "larger than 1 MiB"],
        ),
        Harm {
            files: vec![
                ("models/ring_a.sql", "select * from {{ ref('ring_b') }}\n".to_owned()),
                ("models/ring_b.sql", "select * from {{ ref('ring_a') }}\n".to_owned()),
            ],
            said: &["error[CD0009]", "ring_a", "ring_b", "--> models/ring_"],
        },
        harm("seeds/broken.csv", "id,name\n1,a\n2,b,c,d\n", &["error[CD0009]", "--> seeds/broken.csv:3"]),
    ]
}

/// What shows only in the warehouse's presence.
fn while_running() -> Vec<Harm> {
    vec![
        harm(
            "models/spins_later.sql",
            "select 1\n{% if execute %}\n{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}\n\
             {% endif %}\n",
            &["CD0948", "models/spins_later.sql:3"],
        ),
        harm(
            "models/large_later.sql",
            "select 1 {% if execute %}\n{{ 'x' * 1073741824 }}{% endif %}\n",
            &["CD0948", "models/large_later.sql:2"],
        ),
        harm(
            "models/class.sql",
            "select '{{ ''.__class__.__mro__[1].__subclasses__() }}'\n",
            &["CD0947", "models/class.sql:1"],
        ),
        harm(
            "models/elsewhere.sql",
            "select 1 {% if execute %}\n{% do run_query(\"attach '/etc/passwd' as p\") %}{% endif %}\n",
            &["`ATTACH` statements are not run", "models/elsewhere.sql:2"],
        ),
    ]
}

fn contains_all(answer: &Answer, said: &[&str], of: &str) {
    for words in said {
        assert!(answer.text().contains(words), "{of}: `{words}` is missing:\n{}", answer.text());
    }
}

#[test]
fn a_hostile_project_is_refused_with_file_and_line_and_harms_nobody() {
    let mut house = House::bare();
    for (path, text) in HEALTHY {
        house.write(path, text);
    }
    house.cofferdam(&["dbt", "build"]).success();
    house.up(&[]);
    let up = house.up_pid();
    for harm in while_reading() {
        harm.meet(&house, "build", &[]);
    }
    for harm in while_running() {
        // The healthy model beside it is built, whatever the other does.
        harm.meet(&house, "run", &["OK created sql view model main.healthy", "PASS=1", "ERROR=1"]);
    }
    let healthy = house.cofferdam(&["dbt", "build"]).success();
    contains_all(&healthy, &["PASS=1", "ERROR=0"], "afterwards");
    assert!(is_alive(up), "the executor is gone:\n{}", house.said());
    assert!(house.down(), "it does not stop as it should:\n{}", house.said());
}

#[test]
fn a_password_of_the_shell_stays_out_of_releases() {
    let mut house = House::bare();
    for (path, text) in HEALTHY {
        house.write(path, text);
    }
    house.set("SHOP_PASSWORD", "hunter2-of-the-shell");
    // A login of the target is rendered for the gateway, and found nowhere else.
    house.write(
        "profiles.yml",
        "shop:\n  target: dev\n  outputs:\n    dev: {type: sqlite, path: \"{{ env_var('SHOP_PASSWORD') }}.db\", schema: main}\n",
    );
    house.write("packages.yml", "packages: []  # {{ env_var('DBT_ENV_SECRET_GIT') }}\n");
    house.cofferdam(&["dbt", "parse"]).success();
    let blobs = std::fs::read_dir(house.path().join(".cofferdam/blobs")).unwrap().flatten();
    for blob in blobs {
        let bytes = std::fs::read(blob.path()).unwrap();
        assert!(!bytes.windows(20).any(|part| part == b"hunter2-of-the-shell"), "{:?}", blob.path());
    }
    // The project's own text may not have it.
    house.write("models/p.sql", "select '{{ env_var('SHOP_PASSWORD', 'none') }}' as p\n");
    let refused = house.cofferdam(&["dbt", "parse"]);
    assert!(!refused.ok && refused.stderr.contains("CD0065"), "{}", refused.text());
}
