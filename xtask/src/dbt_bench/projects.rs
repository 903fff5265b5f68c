//! The projects that are measured: generated, so that each has just the size its name says.
//!
//! In: a size. Out: a folder in dbt's format, written so that every contender reads it.
//! Never: text of anybody else. Fails: where a file cannot be written.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};

/// A project to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Project {
    /// So many trivial models: three of five views, a table, an incremental one; every second one
    /// reads the one before.
    Trivial(usize),
    /// Five models, three seeds, twenty tests.
    Shop,
    /// Thirteen models over 72,000 orders, made by one of them.
    Orders,
    /// Two seeds of 10 MB each.
    Seeds,
}

impl Project {
    /// What pages call it.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Trivial(models) => format!("{models} trivial models"),
            Self::Shop => "a shop: 3 seeds, 5 models, 20 tests".to_owned(),
            Self::Orders => "13 models over 72,000 orders".to_owned(),
            Self::Seeds => "seeds of 20 MB".to_owned(),
        }
    }

    /// The name of its folder and of itself.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Trivial(models) => format!("trivial_{models}"),
            Self::Shop => "shop".to_owned(),
            Self::Orders => "orders".to_owned(),
            Self::Seeds => "seeds".to_owned(),
        }
    }

    /// Whether others take minutes for it.
    pub(crate) fn is_large(self) -> bool {
        matches!(self, Self::Seeds | Self::Trivial(500..))
    }

    /// Whether it has seeds.
    pub(crate) fn has_seeds(self) -> bool {
        matches!(self, Self::Shop | Self::Seeds)
    }

    /// Writes it into a folder.
    pub(crate) fn write(self, folder: &Path) -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        let name = self.name();
        let file = Files(folder);
        file.write(
            "dbt_project.yml",
            &format!("name: {name}\nversion: '1.0.0'\nprofile: bench\nmodels:\n  {name}:\n    +materialized: view\n"),
        )?;
        match self {
            Self::Trivial(models) => trivial(&file, models),
            Self::Shop => shop(&file),
            Self::Orders => orders(&file),
            Self::Seeds => seeds(&file),
        }
    }
}

/// A folder that is written to.
struct Files<'a>(&'a Path);

impl Files<'_> {
    fn write(&self, path: &str, text: &str) -> Result<()> {
        let file = self.0.join(path);
        fs::create_dir_all(file.parent().context("a folder")?)?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    fn model(&self, name: &str, materialized: &str, sql: &str) -> Result<()> {
        self.write(
            &format!("models/{name}.sql"),
            &format!("{{{{ config(materialized='{materialized}') }}}}\n{sql}\n"),
        )
    }
}

fn trivial(file: &Files<'_>, models: usize) -> Result<()> {
    for n in 0..models {
        let from = match n % 2 {
            1 => format!("select id, label from {{{{ ref('m{}') }}}}", n - 1),
            _ => format!("select {n} as id, 'model {n}' as label"),
        };
        match n % 5 {
            0 | 1 | 3 => file.model(&format!("m{n}"), "view", &from)?,
            2 => file.model(&format!("m{n}"), "table", &from)?,
            _ => file.model(
                &format!("m{n}"),
                "incremental",
                &format!(
"select * from ({from}) t\n{{% if is_incremental() %}}\nwhere t.id > (select max(id) from {{{{ this }}}})\n{{% endif %}}"
                ),
            )?,
        }
    }
    Ok(())
}

fn shop(file: &Files<'_>) -> Result<()> {
    let (mut people, mut orders, mut payments) = (
        "id,name,joined\n".to_owned(),
        "id,person,day,state\n".to_owned(),
        "id,order_id,how,cents\n".to_owned(),
    );
    for n in 1..=100 {
        let _ = writeln!(people, "{n},Person {n},2024-01-{:02}", n % 28 + 1);
        let state = ["placed", "sent", "done", "returned"][n % 4];
        let _ = writeln!(orders, "{n},{},2024-02-{:02},{state}", n * 7 % 60 + 1, n % 28 + 1);
        let how = ["card", "voucher", "transfer"][n % 3];
        let _ = writeln!(payments, "{n},{},{how},{}", n * 3 % 100 + 1, n * 100);
    }
    file.write("seeds/raw_people.csv", &people)?;
    file.write("seeds/raw_orders.csv", &orders)?;
    file.write("seeds/raw_payments.csv", &payments)?;
    file.model("people", "view", "select id as person_id, name, joined from {{ ref('raw_people') }}")?;
    file.model(
        "orders",
        "view",
        "select id as order_id, person as person_id, day, state from {{ ref('raw_orders') }}",
    )?;
    file.model(
        "payments",
        "view",
        "select id as payment_id, order_id, how, cents / 100.0 as amount from {{ ref('raw_payments') }}",
    )?;
    file.model(
        "order_amounts",
        "table",
        "{% set ways = ['card', 'voucher', 'transfer'] %}\nselect o.order_id, o.person_id, o.state,\n\
         {% for way in ways %}coalesce(sum(case when p.how = '{{ way }}' then p.amount end), 0) as {{ way }}_amount,\n\
         {% endfor %}coalesce(sum(p.amount), 0) as amount\nfrom {{ ref('orders') }} o left join {{ ref('payments') }} p \
         on p.order_id = o.order_id\ngroup by 1, 2, 3",
    )?;
    file.model(
        "person_amounts",
        "table",
        "select p.person_id, p.name, count(a.order_id) as orders, coalesce(sum(a.amount), 0) as amount\n\
         from {{ ref('people') }} p left join {{ ref('order_amounts') }} a on a.person_id = p.person_id\ngroup by 1, 2",
    )?;
    file.write("models/shop.yml", &shop_tests())
}

/// Twenty tests.
fn shop_tests() -> String {
    let mut text = String::from("models:\n");
    for (model, key, more) in [
        ("people", "person_id", ["name", "joined"]),
        ("orders", "order_id", ["person_id", "day"]),
        ("payments", "payment_id", ["order_id", "amount"]),
        ("order_amounts", "order_id", ["amount", "state"]),
        ("person_amounts", "person_id", ["orders", "amount"]),
    ] {
        let _ = write!(
            text,
            "  - name: {model}\n    columns:\n      - name: {key}\n        data_tests: [unique, not_null]\n"
        );
        for (at, column) in more.iter().enumerate() {
            let test = match (model, at) {
                ("orders", 0) => {
                    "\n          - relationships:\n              arguments: {to: ref('people'), field: person_id}"
                }
                ("order_amounts", 1) => {
                    "\n          - accepted_values:\n              arguments: {values: [placed, sent, done, returned]}"
                }
                _ => " [not_null]",
            };
            let _ = write!(text, "      - name: {column}\n        data_tests:{test}\n");
        }
    }
    text
}

fn orders(file: &Files<'_>) -> Result<()> {
    file.model(
        "all_orders",
        "table",
        "select i as order_id, i % 4000 as person_id, i % 90 as product_id, date '2024-01-01' + (i % 365) as day,\n\
         ((i * 7919) % 10000) / 100.0 as amount from generate_series(1, 72000) i",
    )?;
    for n in 1..=6 {
        let sql = format!(
            "select *, extract(month from day) as month from {{{{ ref('all_orders') }}}} where product_id % 6 = {}",
            n - 1
        );
        file.model(&format!("part_{n}"), "view", &sql)?;
    }
    for n in 1..=4 {
        let sql = format!(
            "select person_id, month, count(*) as orders, sum(amount) as amount from {{{{ ref('part_{n}') }}}} group by 1, 2"
        );
        file.model(&format!("people_{n}"), "table", &sql)?;
    }
    file.model(
        "days",
        "incremental",
        "select day, count(*) as orders, sum(amount) as amount from {{ ref('all_orders') }}\n\
         {% if is_incremental() %}where day > (select max(day) from {{ this }}){% endif %}\ngroup by 1",
    )?;
    file.model(
        "best",
        "table",
        "select a.person_id, sum(a.amount) + sum(b.amount) as amount from {{ ref('people_1') }} a\n\
         join {{ ref('people_2') }} b on b.person_id = a.person_id group by 1 order by 2 desc limit 100",
    )
}

fn seeds(file: &Files<'_>) -> Result<()> {
    for table in ["sales", "visits"] {
        let mut text = String::from("id,day,person,product,price,label,is_paid,note\n");
        let mut n = 0_u64;
        while text.len() < 10 << 20 {
            n += 1;
            let _ = writeln!(
                text,
                "{n},2024-{:02}-{:02},{},{},{}.{:02},label-{},{},\"a note of some length, with a comma in it, number {}\"",
                n % 12 + 1,
                n % 28 + 1,
                n * 7919 % 100_000,
                n % 977,
                n % 500,
                n % 100,
                n * 31 % 10_007,
                n.is_multiple_of(3),
                n % 1_000
            );
        }
        file.write(&format!("seeds/{table}.csv"), &text)?;
    }
    // dbt 2.x makes no column of a number with a point by itself.
    file.write(
        "seeds/seeds.yml",
        "seeds:\n  - name: sales\n    config: {column_types: {price: \"numeric(10,2)\"}}\n  - name: visits\n    \
         config: {column_types: {price: \"numeric(10,2)\"}}\n",
    )?;
    file.model("paid", "view", "select count(*) as n from {{ ref('sales') }} where is_paid")
}
