//! PostgreSQL's types: what a column of each is in a frame, and in which form it is asked for.
//!
//! In: the description of a result's columns. Out: their types, and how each is read.
//! Never: chooses a type that some values of the column would not fit without saying so.
//! Fails: with nothing, where the description contradicts itself.
//! Source: `docs/adr/0015-postgresql-driver.md`, table of types; PostgreSQL's `pg_type.dat`.

use cofferdam_call::DataType;

/// Numbers of the types that are known by heart.
pub(super) mod oid {
    pub(in super::super) const BOOL: u32 = 16;
    pub(in super::super) const BYTEA: u32 = 17;
    pub(in super::super) const NAME: u32 = 19;
    pub(in super::super) const INT8: u32 = 20;
    pub(in super::super) const INT2: u32 = 21;
    pub(in super::super) const INT4: u32 = 23;
    pub(in super::super) const TEXT: u32 = 25;
    pub(in super::super) const OID: u32 = 26;
    pub(in super::super) const JSON: u32 = 114;
    pub(in super::super) const XML: u32 = 142;
    pub(in super::super) const FLOAT4: u32 = 700;
    pub(in super::super) const FLOAT8: u32 = 701;
    pub(in super::super) const UNKNOWN: u32 = 705;
    pub(in super::super) const BPCHAR: u32 = 1042;
    pub(in super::super) const VARCHAR: u32 = 1043;
    pub(in super::super) const DATE: u32 = 1082;
    pub(in super::super) const TIME: u32 = 1083;
    pub(in super::super) const TIMESTAMP: u32 = 1114;
    pub(in super::super) const TIMESTAMPTZ: u32 = 1184;
    pub(in super::super) const NUMERIC: u32 = 1700;
    pub(in super::super) const UUID: u32 = 2950;
    pub(in super::super) const JSONB: u32 = 3802;
}

/// How a column's values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Wide {
        precision: u8,
        scale: u8,
    },
    Date,
    Time,
    Timestamp {
        utc: bool,
    },
    Bytes,
    /// Text, whatever the type is.
    Text,
}

impl Form {
    /// The wire's number for the form the server is asked to send.
    pub(super) fn number(self) -> i16 {
        i16::from(self != Self::Text)
    }
}

/// One column of a result as the server describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) oid: u32,
    pub(super) modifier: i32,
}

/// Reads a `RowDescription`.
pub(super) fn fields(body: &[u8]) -> Option<Vec<Field>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut fields = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let name = String::from_utf8_lossy(&rest[..end]).into_owned();
        let (described, behind) = rest[end + 1..].split_first_chunk::<18>()?;
        let [_, _, _, _, _, _, a, b, c, d, _, _, e, f, g, h, _, _] = *described;
        rest = behind;
        let oid = u32::from_be_bytes([a, b, c, d]);
        fields.push(Field { name, oid, modifier: i32::from_be_bytes([e, f, g, h]) });
    }
    rest.is_empty().then_some(fields)
}

/// Reads a `ParameterDescription`: the types of the values.
pub(super) fn parameters(body: &[u8]) -> Option<Vec<u32>> {
    let (count, rest) = body.split_first_chunk::<2>()?;
    let oids: Vec<u32> = rest.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect();
    (rest.len() == oids.len() * 4 && oids.len() == usize::from(u16::from_be_bytes(*count))).then_some(oids)
}

/// What a type is in a frame; none for those only the server can name.
pub(super) fn known(oid: u32, modifier: i32) -> Option<(Form, DataType)> {
    Some(match oid {
        oid::BOOL => (Form::Bool, DataType::Boolean),
        oid::INT2 => (Form::Int2, DataType::Int64),
        oid::INT4 => (Form::Int4, DataType::Int64),
        oid::INT8 => (Form::Int8, DataType::Int64),
        oid::OID => (Form::Oid, DataType::Int64),
        oid::FLOAT4 => (Form::Float4, DataType::Float64),
        oid::FLOAT8 => (Form::Float8, DataType::Float64),
        oid::NUMERIC => match precision_and_scale(modifier) {
            Some((precision @ 1..=38, scale)) => {
                (Form::Decimal { precision, scale }, DataType::Decimal { precision, scale })
            }
            Some((precision @ 39..=76, scale)) => {
                (Form::Wide { precision, scale }, DataType::Decimal { precision, scale })
            }
            _ => (Form::Text, DataType::Other("numeric".to_owned())),
        },
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::UNKNOWN => (Form::Text, DataType::Text),
        oid::JSON | oid::JSONB => (Form::Text, DataType::Json),
        oid::BYTEA => (Form::Bytes, DataType::Bytes),
        oid::DATE => (Form::Date, DataType::Date),
        oid::TIME => (Form::Time, DataType::Time),
        oid::TIMESTAMP => (Form::Timestamp { utc: false }, DataType::Timestamp),
        oid::TIMESTAMPTZ => (Form::Timestamp { utc: true }, DataType::TimestampUtc),
        oid::UUID => (Form::Text, DataType::Other("uuid".to_owned())),
        _ => return None,
    })
}

/// What `numeric(p, s)` was declared as; none where it was not, or where no decimal of Arrow holds
/// it: a negative scale, or one larger than the precision.
fn precision_and_scale(modifier: i32) -> Option<(u8, u8)> {
    let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
    let precision = u8::try_from(packed >> 16 & 0xffff).ok()?;
    // Eleven bits, the highest of which is the sign.
    let scale = u8::try_from(packed & 0x7ff).ok()?;
    (scale <= precision && (1..=76).contains(&precision)).then_some((precision, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_are_decimals_where_they_say_how_long_they_are() {
        let numeric = |modifier| known(oid::NUMERIC, modifier).unwrap().1;
        let decimal = |precision, scale| DataType::Decimal { precision, scale };
        assert_eq!(numeric((12 << 16 | 2) + 4), decimal(12, 2));
        assert_eq!(numeric((76 << 16 | 76) + 4), decimal(76, 76));
        let text = DataType::Other("numeric".to_owned());
        for modifier in
            [-1, 0, 3, (77 << 16) + 4, (5 << 16 | 7) + 4, (5 << 16 | 0x7fe) + 4, i32::MAX, i32::MIN]
        {
            assert_eq!(numeric(modifier), text, "{modifier}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_description_is_read_or_refused(bytes: Vec<u8>) {
            let _ = (fields(&bytes), parameters(&bytes));
        }
    }
}
