//! The reference of `cargo xtask bench data`: a bare Rust driver (`tokio-postgres` behind its
//! blocking face) reads a table by binary COPY and decodes each row into Arrow columns by hand.
//! `bare_copy PORT PASSWORD TABLE`. Prints the number of rows.
#![allow(clippy::expect_used, reason = "a measurement that cannot be taken has no result")]

use std::io::{BufReader, Read};

use arrow_array::builder::{
    Decimal128Builder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use postgres::{Config, NoTls};

/// Rows of one batch, as the measured path has them.
const BATCH_ROWS: usize = 11_000;
/// Microseconds from 1970 to 2000, where PostgreSQL's clock starts.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

#[derive(Default)]
struct Columns {
    id: Int64Builder,
    n: Int64Builder,
    x: Float64Builder,
    label: StringBuilder,
    at: TimestampMicrosecondBuilder,
    price: Decimal128Builder,
    rows: usize,
}

impl Columns {
    fn row(&mut self, row: &mut impl Read, field: &mut Vec<u8>) {
        take(row, field);
        self.id.append_value(i64::from_be_bytes(fixed(field)));
        take(row, field);
        self.n.append_value(i64::from(i32::from_be_bytes(fixed(field))));
        take(row, field);
        self.x.append_value(f64::from_be_bytes(fixed(field)));
        take(row, field);
        self.label.append_value(std::str::from_utf8(field).expect("text"));
        take(row, field);
        self.at.append_value(i64::from_be_bytes(fixed(field)) + EPOCH_MICROS);
        take(row, field);
        self.price.append_value(numeric(field, 2));
        self.rows += 1;
        if self.rows.is_multiple_of(BATCH_ROWS) {
            self.finish();
        }
    }

    fn finish(&mut self) {
        drop((self.id.finish(), self.n.finish(), self.x.finish(), self.label.finish()));
        drop((self.at.finish(), self.price.finish()));
    }
}

fn fixed<const N: usize>(field: &[u8]) -> [u8; N] {
    field.try_into().expect("the field has its type's length")
}

/// The next field's bytes; the table has no NULL.
fn take(row: &mut impl Read, field: &mut Vec<u8>) {
    let mut length = [0; 4];
    row.read_exact(&mut length).expect("a length");
    field.resize(u32::from_be_bytes(length) as usize, 0);
    row.read_exact(field).expect("a field");
}

/// A number of base 10,000 digits, brought to a scale.
fn numeric(field: &[u8], scale: i32) -> i128 {
    let short = |at: usize| i16::from_be_bytes([field[at], field[at + 1]]);
    let (digits, weight, sign) = (short(0), i32::from(short(2)), short(4));
    let mut value = 0_i128;
    for n in 0..digits as usize {
        value = value * 10_000 + i128::from(short(8 + 2 * n));
    }
    let shift = (weight - i32::from(digits) + 1) * 4 + scale;
    value = if shift >= 0 { value * 10_i128.pow(shift as u32) } else { value / 10_i128.pow(-shift as u32) };
    if sign == 0x4000 { -value } else { value }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().expect("PORT PASSWORD TABLE");
    let (port, password, table) = (next(), next(), next());
    let mut client = Config::new()
        .host("127.0.0.1")
        .port(port.parse().expect("a port"))
        .user("reader")
        .password(password)
        .dbname("shop")
        .connect(NoTls)
        .expect("the server answers");
    let rows = client
        .copy_out(&format!("COPY (SELECT id, n, x, label, at, price FROM {table}) TO STDOUT (FORMAT binary)"))
        .expect("the copy starts");
    let mut rows = BufReader::with_capacity(256 << 10, rows);
    let mut head = [0; 19];
    rows.read_exact(&mut head).expect("a head");
    let (mut columns, mut field, mut fields) = (Columns::default(), Vec::new(), [0; 2]);
    loop {
        rows.read_exact(&mut fields).expect("a row");
        if i16::from_be_bytes(fields) < 0 {
            break;
        }
        columns.row(&mut rows, &mut field);
    }
    columns.finish();
    println!("{}", columns.rows);
}
